"""A person is found, exported and erased in an encrypted store, on both engines."""

import json
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest
from click.testing import CliRunner
from sqlalchemy import select, update

from chassis.context import utc_now
from chassis.errors import NotFound
from chassis.persons import erase_old, find_person
from chassis.store.database import Database
from chassis.store.encryption.rotation import count_rows
from orders_svc.__main__ import cli
from orders_svc.store import tables as order_tables
from tests.at_rest.stories import PLANTED, play, serve_with_endpoints
from tests.at_rest.test_canary import find_planted
from tests.orders_svc.rpcs.test_get_order import create_order
from tests.serving import SERVICES, Served, build_keyring, get_definition, serve, write_keys

NAMED = {
    "orders": {"email": PLANTED["email"].upper(), "phone": PLANTED["phone"]},
    "sessions": {"email": PLANTED["email"].upper(), "user_key": "canary"},
    "subscriptions": {
        "email": PLANTED["email"].upper(),
        "phone": f"{PLANTED['phone'][:3]} {PLANTED['phone'][3:]}",
        "nin": PLANTED["nin"].lower(),
    },
}
# What of a person stays: the settlement of a cancellation has its reason.
KEPT = [PLANTED["cancelled"]]


@pytest.fixture(params=["encrypted", "not yet rotated"])
def served(
    store_url: Callable[[str, str], str],
    engine: str,
    body: Any,
    tmp_path: Path,
    request: pytest.FixtureRequest,
    service: str,
) -> Any:
    """A service with a ring; what was written before encryption was turned on is plain."""
    url, ring = store_url(service, engine), build_keyring("canary")
    is_encrypted = request.param == "encrypted"
    database = Database(url, keyring=ring if is_encrypted else None)
    played = serve_with_endpoints(service, database)
    play(played, body, tmp_path)
    if is_encrypted:
        yield played
    else:
        played.stop()
        played = serve(service, Database(url, keyring=ring))
        yield played
    played.stop()


@pytest.mark.parametrize("service", SERVICES)
def test_a_person_is_found_exported_and_erased(served: Served, service: str) -> None:
    database, definition = served.database, get_definition(service)
    persons = definition.persons
    found = {
        kind: find_person(database, persons, kind, value, None)
        for kind, value in NAMED[service].items()
    }
    ids = found["email"]
    assert all(set(each) <= set(ids) and each for each in found.values())
    with database.stream() as tx:
        exported = msgspec.json.encode(persons.export(tx, ids))
    assert {PLANTED["email"], PLANTED["first_name"]} <= set(find_planted(exported))
    if service == "orders":
        assert {PLANTED["lab_word"], PLANTED["answer"]} <= set(find_planted(exported))
    with database.write(shred=True) as tx:
        persons.erase(tx, ids, utc_now(), True)
    for kind, value in NAMED[service].items():
        if kind != "user_key":
            with pytest.raises(NotFound):
                find_person(database, persons, kind, value, None)
    rows = repr(served.rows()).encode()
    assert [each for each in find_planted(rows) if each not in KEPT] == []


@pytest.mark.parametrize("service", SERVICES)
def test_what_is_erased_stays_sealed(
    store_url: Callable[[str, str], str], engine: str, body: Any, tmp_path: Path, service: str
) -> None:
    database = Database(store_url(service, engine), keyring=build_keyring("canary"))
    played = serve_with_endpoints(service, database)
    try:
        play(played, body, tmp_path)
        definition = get_definition(service)
        ids = find_person(database, definition.persons, "email", PLANTED["email"], None)
        with database.write(shred=True) as tx:
            definition.persons.erase(tx, ids, utc_now(), True)
        assert count_rows(database, definition.personal).keys() == {"canary"}
    finally:
        played.stop()


def test_the_commands_read_an_encrypted_store(
    store_url: Callable[[str, str], str], engine: str, body: Any, tmp_path: Path
) -> None:
    url, keys = store_url("orders", engine), write_keys(tmp_path / "ring", "canary")
    played = serve_with_endpoints("orders", Database(url, keyring=build_keyring("canary")))
    play(played, body, tmp_path)
    played.stop()

    def run(*words: str, ring: str = str(keys)) -> Any:
        environment = {"ENCRYPTION_KEYS": ring}
        given = ["--database-url", url, "persons", *words, "--email", PLANTED["email"]]
        return CliRunner(env=environment).invoke(cli, given)

    exported = json.loads(run("export").stdout)
    assert exported["orders"][0]["document"]["patient"]["email"] == PLANTED["email"]
    assert run("erase", "--include-open").stdout == "2 erased\n"
    assert run("export").stderr == "Error: Nothing is kept of such a person.\n"


def test_a_damaged_row_keeps_no_other_from_being_erased(
    store_url: Callable[[str, str], str], engine: str, body: Any
) -> None:
    served = serve("orders", Database(store_url("orders", engine), keyring=build_keyring("a")))
    try:
        ids = sorted(create_order(served, body("order")) for _ in range(3))
        orders, persons = order_tables.orders, get_definition("orders").persons
        with served.database.write() as tx:
            tx.execute(update(orders).values(lab_status="shipped"))
            change = update(orders).where(orders.c.id == ids[1])
            tx.execute(change.values(document="\x02a\x02" + "A" * 80))
        later = utc_now() + timedelta(days=400)
        for erased in (2, 0):
            assert erase_old(served.database, persons, timedelta(days=365), later) == erased
        left = select(orders.c.id).where(orders.c.erased_at.is_(None))
        with served.database.read() as tx:
            assert tx.execute(left).scalars().all() == [ids[1]]
    finally:
        served.stop()
