"""With encryption on, nothing of a patient is in a store, in its log or in a file of messages."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from chassis.store.database import Database
from chassis.store.encryption.rotation import count_rows, rotate_table
from orders_svc.store import tables
from protos import orders_pb2, subscriptions_pb2
from tests.at_rest.stories import PLANTED, TRACED, build_order, play, serve_with_endpoints
from tests.orders_svc import bodies as order_bodies
from tests.serving import SERVICES, Served, build_keyring, get_definition, serve

# What a dump of each store holds, so that the walk looks at the right bytes.
SHOWN = {"orders": b"ord_", "sessions": b"canary", "subscriptions": b"tienda_moderna"}
MESSAGES = {"orders": [".eml"], "sessions": [], "subscriptions": [".eml", ".txt"]}


def dump(database: Database) -> bytes:
    """Every byte of SQLite's files, or every row of PostgreSQL as `pg_dump` copies it."""
    if database.is_sqlite:
        folder = Path(database.url.database or "").parent
        return b"".join(path.read_bytes() for path in folder.iterdir())
    with database.read() as tx:
        names = tx.execute(
            text("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
        ).scalars()
        rows = [
            tx.execute(text(f'SELECT t::text FROM "{name}" t')).scalars().all() for name in names
        ]
    return "\n".join(row for some in rows for row in some).encode()


def find_planted(content: bytes) -> list[str]:
    """The planted strings that a content holds: as they are, or their bytes in hexadecimal.

    In any case, since words of a search are folded.
    """
    lower = content.lower()
    words = {
        word for planted in (*PLANTED.values(), TRACED) for word in (planted, *planted.split("-"))
    }
    return sorted(
        word
        for word in words
        if len(word) > 4
        and (word.lower().encode() in lower or word.encode().hex().encode() in lower)
    )


@pytest.mark.parametrize("service", SERVICES)
def test_nothing_of_a_patient_is_in_a_store(
    store_url: Callable[[str, str], str], engine: str, body: Any, tmp_path: Path, service: str
) -> None:
    database = Database(store_url(service, engine), keyring=build_keyring("canary"))
    served = serve_with_endpoints(service, database)
    try:
        play(served, body, tmp_path)
        assert count_rows(database, get_definition(service).personal).keys() == {"canary"}
        content = dump(database)
    finally:
        served.stop()
    files = sorted((tmp_path / "messages").glob("*"))
    assert sorted({path.suffixes[0] for path in files}) == MESSAGES[service]
    assert {path.suffix for path in files} <= {".sealed"}
    content += b"".join(path.name.encode() + path.read_bytes() for path in files)
    assert SHOWN[service] in content
    assert find_planted(content) == []


def test_the_walk_finds_what_is_plain(
    store_url: Callable[[str, str], str], engine: str, body: Any
) -> None:
    served = serve("orders", Database(store_url("orders", engine)))
    try:
        served.call("CreateOrder", order_bodies.request(build_order()))
        found = find_planted(dump(served.database))
    finally:
        served.stop()
    assert {PLANTED["first_name"], PLANTED["email"], PLANTED["city"], "Frobnitz", TRACED} <= set(
        found
    )


@pytest.mark.parametrize("service", SERVICES)
def test_a_store_of_before_is_encrypted_by_a_rotation(
    store_url: Callable[[str, str], str], engine: str, body: Any, tmp_path: Path, service: str
) -> None:
    url, definition = store_url(service, engine), get_definition(service)
    served = serve_with_endpoints(service, Database(url))
    play(served, body, tmp_path)
    before = served.rows()
    served.stop()
    database = Database(url, keyring=build_keyring("canary"))
    assert database.keyring is not None
    for personal in definition.personal:
        rotate_table(database, personal, database.keyring)
    assert count_rows(database, definition.personal).keys() == {"canary"}
    if database.is_sqlite:  # what was deleted before is in its free pages
        with database.engine.connect() as tx:
            tx.exec_driver_sql("VACUUM")
    database.shrink_log()
    assert find_planted(dump(database)) == []
    served = serve(service, database)
    try:
        after = served.rows()
        for name in ("name_words", "subscription_words"):
            before.pop(name, None), after.pop(name, None)
        if service == "orders":  # the folded names are hashed words now
            before["orders"] = [clear_names(row) for row in before["orders"]]
        assert after == before
        find_again(served)
    finally:
        served.stop()


def clear_names(order: tuple[Any, ...]) -> tuple[Any, ...]:
    """A row of orders without its folded names."""
    names = [column.name for column in tables.orders.c]
    pairs = zip(names, order, strict=True)
    return tuple(None if name in ("first_last", "last_first") else value for name, value in pairs)


def find_again(served: Served) -> None:
    """Find what a story has made, by its hashed words."""
    if served.name == "orders":
        asked = orders_pb2.SearchOrdersRequest(text="frobni zebede")
        assert len(served.call("SearchOrders", asked, kind="Dashboard").data) == 2
    if served.name == "subscriptions":
        listed = subscriptions_pb2.ListSubscriptionsRequest(search="frobni zebede 0770")
        assert len(served.call("ListSubscriptions", listed).data) == 2
