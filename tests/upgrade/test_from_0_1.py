"""Stores that 0.1.0 has filled are migrated to this version, on both engines, and work goes on.

The rows and the answers in 0.1.0/ were written by the code of 0.1.0 itself, on its last revisions:
sessions, orders and subscriptions in most statuses, with endpoints and events that wait.
"""

import base64
import json
import os
import re
import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from flask.testing import FlaskClient

from chassis.events.courier import Courier
from chassis.events.dispatcher import Dispatcher
from chassis.store.database import Database
from chassis.store.migrations import find_schema_differences, migrate
from chassis.store.versions import is_current
from protos import orders_pb2
from tests import postgres
from tests.chassis.events.receiver import run_receiver
from tests.examples.test_commands import ROOT, list_lines, run
from tests.gateway.front import CALLER, front
from tests.gateway.pages.dashboard import OPTICIAN, PASSWORD
from tests.serving import SERVICES, Served, get_definition, serve, to_version
from tests.sessions_svc.desk import move
from tests.subscriptions_svc.shop import build_delivery, get, list_lenses

FOLDER = Path(__file__).parent / "0.1.0"
FILLED_AT = datetime(2026, 3, 1, 12, tzinfo=UTC)
SOON, LATER = FILLED_AT + timedelta(hours=1), FILLED_AT + timedelta(hours=30)
# What this version says otherwise, on purpose: CHANGELOG.md has it under "Changed".
CHANGED = re.compile(r".*\.available_actions\.(cancel|withdraw): ")
Upgraded = dict[str, tuple[Served, dict[str, int]]]
DECODERS: dict[str, Callable[[str], Any]] = {
    "$at": datetime.fromisoformat,
    "$day": date.fromisoformat,
    "$bytes": base64.b64decode,
}
ANSWERS = json.loads((FOLDER / "answers.json").read_text())


def decode(value: Any) -> Any:
    """A value of a row, as its column takes it."""
    if isinstance(value, dict) and len(value) == 1:
        ((kind, text),) = value.items()
        return DECODERS[kind](text) if kind in DECODERS else value
    return value


def fill(database: Database, service: str) -> dict[str, int]:
    """Write the rows of 0.1.0 into an empty store of its revision; returns how many."""
    kept = json.loads((FOLDER / f"{service}.json").read_text())
    tomorrow = datetime.now(UTC) + timedelta(days=1)
    to_version(database, get_definition(service).migrations, kept["revision"])
    metadata = sa.MetaData()
    with database.write() as tx:
        metadata.reflect(tx)
        for table in metadata.sorted_tables:
            if table.name != "alembic_version":
                tx.execute(table.delete())
        for table in metadata.sorted_tables:
            if rows := kept["tables"].get(table.name):
                names = {column.name for column in table.columns}
                assert set(rows[0]) == names, table.name
                decoded = [{k: decode(v) for k, v in row.items()} for row in rows]
                if table.name == "idempotency_keys":  # kept for a day, which has long passed
                    decoded = [{**row, "expires_at": tomorrow} for row in decoded]
                tx.execute(table.insert(), decoded)
                _move_sequence(tx, table)
    return {name: len(rows) for name, rows in kept["tables"].items()}


def _move_sequence(tx: sa.Connection, table: sa.Table) -> None:
    """Let PostgreSQL number the next row after those that were written with their numbers."""
    if tx.dialect.name != "postgresql" or len(table.primary_key.columns) != 1:
        return
    (column,) = table.primary_key.columns
    find = sa.func.pg_get_serial_sequence(table.name, column.name)
    if isinstance(column.type, sa.Integer) and tx.execute(sa.select(find)).scalar():
        tx.execute(
            sa.select(sa.func.setval(find, sa.select(sa.func.max(column)).scalar_subquery()))
        )


@contextmanager
def create_store(engine: str, folder: Path) -> Iterator[str]:
    """An empty store, and its URL."""
    if engine == "sqlite":
        yield f"sqlite:///{folder / uuid.uuid4().hex}.db"
        return
    name = f"upgrade_{uuid.uuid4().hex[:12]}"
    server = os.environ["TEST_POSTGRES_URL"]
    yield postgres.create_database(server, name)
    postgres.drop_database(server, name)


@contextmanager
def upgrade(engine: str, folder: Path) -> Iterator[Upgraded]:
    """Each service on a store that was filled by 0.1.0 and migrated; and the rows of then."""
    with ExitStack() as stack:
        found = {}
        for service in SERVICES:
            database = Database(stack.enter_context(create_store(engine, folder)))
            counts = fill(database, service)
            migrate(database, get_definition(service).migrations)
            served = serve(service, database)
            served.clock.set = SOON
            stack.callback(database.close)
            stack.callback(served.stop)
            found[service] = (served, counts)
        yield found


@pytest.fixture(scope="module")
def upgraded(engine: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Upgraded]:
    """The services after the upgrade, which the tests leave as they are."""
    with upgrade(engine, tmp_path_factory.mktemp("upgrade")) as found:
        yield found


@pytest.fixture
def apart(engine: str, tmp_path: Path) -> Iterator[Upgraded]:
    """The same for one test, which goes on with them."""
    with upgrade(engine, tmp_path) as found:
        yield found


@pytest.fixture(scope="module")
def http(upgraded: Upgraded) -> Iterator[FlaskClient]:
    """A client of a gateway in front of them."""
    with front(**{name: served.address for name, (served, _) in upgraded.items()}) as client:
        yield client


def find_lost(before: Any, after: Any, path: str = "") -> Iterator[str]:
    """What an answer of 0.1.0 said that this one does not, by path; it may say more."""
    if isinstance(before, dict) and isinstance(after, dict):
        for name, each in before.items():
            if name not in after:
                yield f"{path}.{name}: missing"
            else:
                yield from find_lost(each, after[name], f"{path}.{name}")
    elif isinstance(before, list) and isinstance(after, list) and len(before) == len(after):
        for index, (one, other) in enumerate(zip(before, after, strict=True)):
            yield from find_lost(one, other, f"{path}.{index}")
    elif before != after:
        yield f"{path}: {before!r} was, {after!r} is"


@pytest.mark.parametrize("service", SERVICES)
def test_it_works(upgraded: Upgraded, service: str) -> None:
    served, counts = upgraded[service]
    definition = get_definition(service)
    assert is_current(served.database, definition.migrations)
    assert find_schema_differences(served.database, definition.metadata) == []
    now = {name: len(rows) for name, rows in served.rows().items()}
    lost = {name: count for name, count in counts.items() if now.get(name, count) < count}
    assert lost == {}


@pytest.mark.parametrize("service", SERVICES)
def test_migrating_again_changes_nothing(upgraded: Upgraded, service: str) -> None:
    served, _ = upgraded[service]
    before = served.rows()
    migrate(served.database, get_definition(service).migrations)
    assert served.rows() == before


@pytest.fixture(scope="module")
def callers(http: FlaskClient) -> dict[str, dict[str, str]]:
    """The headers of a caller of each API."""
    credentials = {"client_id": "demo-client", "client_secret": "demo-client-secret"}
    token = http.post("/v1/oauth/token", json=credentials).get_json()["token"]
    return {**CALLER, "orders": {**CALLER["orders"], "Authorization": f"Bearer {token}"}}


def test_every_answer_of_then_is_given_now(
    http: FlaskClient, callers: dict[str, dict[str, str]]
) -> None:
    lost = {}
    for each in ANSWERS["gets"]:
        answer = http.get(each["path"], headers=callers[each["service"]])
        assert answer.status_code == 200, (each["path"], answer.text)
        found = find_lost(each["answer"], answer.get_json())
        if texts := [text for text in found if not CHANGED.match(text)]:
            lost[each["path"]] = texts
    assert lost == {}
    assert len(ANSWERS["gets"]) > 20


def test_a_request_of_then_is_not_done_twice(
    http: FlaskClient, callers: dict[str, dict[str, str]]
) -> None:
    body = json.loads((FOLDER / "order.json").read_text())
    headers = {**callers["orders"], "Idempotency-Key": "key-submitted"}
    answer = http.post("/v1/orders", json=body, headers=headers)
    assert (answer.status_code, answer.headers["Idempotent-Replayed"]) == (201, "true")
    assert answer.get_json()["id"] == ANSWERS["orders"]["submitted"]


def test_people_log_in(upgraded: Upgraded) -> None:
    served, _ = upgraded["orders"]
    asked = orders_pb2.LogInRequest(email=OPTICIAN, password=PASSWORD, address="192.0.2.1")
    session = served.call("LogIn", asked, "", kind="Dashboard")
    found = served.call(
        "SearchOrders",
        orders_pb2.SearchOrdersRequest(text="nunez"),
        "",
        kind="Dashboard",
        authorization=f"Session {session.token}",
    )
    assert [each.id for each in found.data] == [ANSWERS["orders"]["in_progress"]]


def test_events_of_then_arrive_before_those_of_now(apart: Upgraded) -> None:
    ids = ANSWERS["orders"]
    sessions, orders, subscriptions = (apart[name][0] for name in SERVICES)
    for served in (sessions, orders, subscriptions):
        served.clock.set = LATER
    with run_receiver() as receiver:
        for served, owner in (
            (sessions, "demo-partner"),
            (orders, "demo-client"),
            (subscriptions, "tienda_moderna"),
        ):
            redirect(served, owner, receiver.url)
        move(sessions, "Approve", "key-awaiting_review")
        change = orders_pb2.UpdateOrderRequest(order_id=ids["submitted"], lab_status="in_progress")
        orders.call("UpdateOrder", change, "staff", desk=True)
        active = ANSWERS["subscriptions"]["active"]
        lens = list_lenses(get(subscriptions, active))[0].reference_uuid
        subscriptions.call("CreateBoxDeliveries", build_delivery(active, (lens, 1)))
        orders.call("SubmitOrder", orders_pb2.SubmitOrderRequest(order_id=ids["draft"]))
        for served in (sessions, orders, subscriptions):
            deliver(served)
        sent = [(each.headers["webhook-id"], each.body.decode()) for each in receiver.received]
    assert len({event_id for event_id, _ in sent}) == len(sent)
    waited = {
        row["id"]: row["stream"]
        for service in SERVICES
        for row in json.loads((FOLDER / f"{service}.json").read_text())["tables"]["outbox"]
    }
    assert waited.keys() <= {event_id for event_id, _ in sent}
    about = [body for event_id, body in sent if ids["submitted"] in body]
    assert [json.loads(each)["type"] for each in about] == [
        "order.submitted",
        "order.status_changed",
    ]


def redirect(served: Served, owner: str, url: str) -> None:
    """Send an owner's events to another URL; the secret stays."""
    outbox = get_definition(served.name).outbox
    with served.database.write() as tx:
        found = outbox.endpoints.get(tx, owner)
        endpoint = {"url": url, "headers": {}, "secret": found.secret}
        outbox.endpoints.put(tx, owner, {**endpoint, "events": None, "format": None}, LATER)
    served.refresh_cache()


def deliver(served: Served) -> None:
    """Deliver everything that is due."""
    at_work = Dispatcher(
        served.database,
        get_definition(served.name).outbox,
        Courier(private=True),
        now=lambda: LATER,
    )
    while at_work.dispatch_due():
        at_work.wait_until_idle()


def test_the_documented_commands_upgrade_a_store_and_bring_it_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    url = f"sqlite:///{tmp_path}/orders.db"
    database = Database(url)
    counts = fill(database, "orders")
    database.close()
    backup, migration, doctor = list_lines("upgrade.md", "backup")
    assert "schema 0006" in run(backup, url)
    run(migration, url)
    assert "demo" in run(doctor, url, code=2)  # the accounts of the demo
    restored = run("python -m orders_svc restore orders-before.backup --replace", url)
    assert "schema 0006" in restored
    run(migration, url)
    database = Database(url)
    with database.read() as tx:
        found = tx.execute(sa.text("SELECT count(*) FROM orders")).scalar_one()
    database.close()
    assert found == counts["orders"]


def test_the_document_names_the_revisions_of_then() -> None:
    text = (ROOT / "docs" / "upgrade.md").read_text()
    said = dict(re.findall(r"^\| (\w+) \| (\d{4}) \|", text, re.MULTILINE))
    kept = {name: json.loads((FOLDER / f"{name}.json").read_text()) for name in SERVICES}
    assert said == {name: each["revision"] for name, each in kept.items()}
