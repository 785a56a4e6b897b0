"""One person across the three services: listed, reported, exported and erased, on both engines."""

import json
import uuid
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from click.testing import CliRunner, Result
from flask.testing import FlaskClient
from sqlalchemy import select

from chassis.events.endpoints import EndpointSchema
from optigate.command import cli
from tests.gateway.front import CALLER
from tests.serving import SERVICES, Served, build_basic, get_definition
from tests.sessions_svc.desk import move
from tests.subscriptions_svc.shop import confirm

PATHS = {
    "sessions": "/api/v2/partners/sessions",
    "orders": "/v1/orders",
    "subscriptions": "/api/public/v1/subscriptions",
}
ORDER_LIST = {"lab": "lab_123", "account_number": "1234567"}
OWNERS = {
    "sessions": "demo-partner",
    "orders": "demo-client",
    "subscriptions": "tienda_moderna",
}
ENDPOINT = EndpointSchema([]).load({"url": "http://127.0.0.1:9/"})
OTHERS = {
    "sessions": "other-partner",
    "orders": "other-client",
    "subscriptions": "other-merchant",
}
BY_SERVICE = pytest.mark.parametrize("service", SERVICES)
Create = Callable[[str, Any], Any]


@pytest.fixture
def served(sessions: Served, orders: Served, subscriptions: Served) -> dict[str, Served]:
    """The three services."""
    return {"sessions": sessions, "orders": orders, "subscriptions": subscriptions}


@pytest.fixture
def run(served: dict[str, Served], monkeypatch: pytest.MonkeyPatch) -> Callable[..., Result]:
    """A function that runs `optigate person`."""
    for name, each in served.items():
        monkeypatch.setenv(f"{name.upper()}_LISTEN", each.address)
        monkeypatch.setenv(f"{name.upper()}_STAFF", "demo-staff:demo-staff-secret")

    def invoke(*arguments: str) -> Result:
        return CliRunner().invoke(cli, ["person", *arguments])

    return invoke


@pytest.fixture
def create(http: FlaskClient, body: Any) -> Create:
    """A function that creates one thing of a service for a person."""

    def send(service: str, person_ref: Any) -> Any:
        sent, key = body(service.removesuffix("s")), uuid.uuid4().hex
        if service == "sessions":
            sent |= {"session_key": key, "user_key": key}
            sent["user"]["person_ref"] = person_ref
        elif service == "orders":
            sent["patient"]["person_ref"] = person_ref
        else:
            sent |= {"reference": key, "person_ref": person_ref}
        return http.post(PATHS[service], json=sent, headers=CALLER[service])

    return send


def count(http: FlaskClient, service: str, person_ref: str, headers: Any = None) -> int:
    """How many things of a person a list has."""
    query = {"person_ref": person_ref} | (ORDER_LIST if service == "orders" else {})
    answer = http.get(PATHS[service], query_string=query, headers=headers or CALLER[service])
    if headers is None:
        assert answer.status_code == 200, answer.data
    return len(answer.get_json().get("data", ()))


def read_bodies(served: Served, person_ref: str) -> list[str]:
    """The bodies of events that name a person."""
    outbox = get_definition(served.name).outbox
    with served.database.read() as tx:
        found = outbox.personal.open_all(tx, tx.execute(select(outbox.table)))
        return [row.body for row in found if person_ref in str(row.body)]


@BY_SERVICE
def test_lists_are_filtered_by_a_person(http: FlaskClient, create: Create, service: str) -> None:
    ref, other = (f"person-{uuid.uuid4().hex}" for _ in range(2))
    for each in (ref, ref, other):
        answer = create(service, each)
        assert answer.status_code == 201, answer.data
    assert [count(http, service, each) for each in (ref, other, "nobody")] == [2, 1, 0]
    stranger = {**CALLER[service], "Authorization": build_basic(OTHERS[service])}
    assert count(http, service, ref, stranger) == 0


@BY_SERVICE
@pytest.mark.parametrize("ref", [" ", "x" * 65, "a\nb", 7, ["x"]])
def test_a_reference_has_1_to_64_characters(
    create: Create, served: dict[str, Served], service: str, ref: Any
) -> None:
    before = served[service].rows()
    answer = create(service, ref)
    assert answer.status_code in (400, 422)
    assert "person_ref" in answer.get_data(as_text=True)
    assert served[service].rows() == before


@BY_SERVICE
def test_64_characters_of_any_script_are_one(
    http: FlaskClient, create: Create, service: str
) -> None:
    ref = ("ñ" * 32 + uuid.uuid4().hex)[:64]
    assert create(service, ref).status_code == 201
    assert count(http, service, ref) == 1


def test_a_person_is_exported_and_erased_together(
    http: FlaskClient, create: Create, served: dict[str, Served], run: Callable[..., Result]
) -> None:
    ref = f"person-{uuid.uuid4().hex}"
    for service, each in served.items():
        outbox = get_definition(service).outbox
        with each.database.write() as tx:
            outbox.endpoints.put(tx, OWNERS[service], ENDPOINT, datetime.now(UTC))
        each.refresh_cache()
    for service in SERVICES:
        made = create(service, ref)
        assert made.status_code == 201, made.data
        if service == "sessions":
            move(served[service], "StartExam", made.get_json()["session_key"])
        if service == "subscriptions":
            customer = made.get_json()["customer"]
            assert customer["person_ref"] == ref
            confirm(served[service], made.get_json()["id"])
    exported = run("export", ref)
    assert exported.exit_code == 0, exported.output
    found = json.loads(exported.stdout)
    assert found.keys() == set(SERVICES)
    assert all(ref in json.dumps(each) for each in found.values())
    assert [name for name, each in served.items() if read_bodies(each, ref)] == [*SERVICES]
    refused = run("erase", ref)
    assert refused.exit_code == 1
    assert refused.stdout.splitlines() == [f"{name}: 0 erased" for name in SERVICES]
    assert "include_open" in refused.stderr
    assert [count(http, service, ref) for service in SERVICES] == [1, 1, 1]
    erased = run("erase", ref, "--include-open")
    assert (erased.exit_code, erased.stdout.splitlines()) == (
        0,
        [f"{name}: 1 erased" for name in SERVICES],
    )
    assert [count(http, service, ref) for service in SERVICES] == [0, 0, 0]
    again = run("export", ref)
    assert (again.exit_code, json.loads(again.stdout)) == (0, dict.fromkeys(SERVICES))


def test_a_service_without_credentials_is_left_out(
    create: Create, run: Callable[..., Result], monkeypatch: pytest.MonkeyPatch
) -> None:
    ref = f"person-{uuid.uuid4().hex}"
    create("orders", ref)
    monkeypatch.delenv("SESSIONS_STAFF")
    monkeypatch.setenv("SUBSCRIPTIONS_STAFF", "demo-staff:wrong")
    exported = run("export", ref)
    assert exported.exit_code == 1
    assert "subscriptions: unauthenticated" in exported.stderr
    assert "wrong" not in exported.stderr.replace("The name or the secret is wrong", "")
    found = json.loads(exported.stdout)
    assert (found.keys(), found["subscriptions"]) == ({"orders", "subscriptions"}, None)
    monkeypatch.delenv("ORDERS_STAFF")
    monkeypatch.delenv("SUBSCRIPTIONS_STAFF")
    assert run("export", ref).exit_code == 2


def test_another_owners_reference_is_another_person(
    create: Create, http: FlaskClient, body: Any, run: Callable[..., Result]
) -> None:
    """Two merchants may use one reference for two persons: one of them is to be named."""
    ref = f"person-{uuid.uuid4().hex}"
    create("subscriptions", ref)
    store = {"id": "otra_tienda", "store_ref": "otra_tienda"}
    sent = {**body("subscription"), "merchant": store, "person_ref": ref, "reference": ref}
    headers = {"Authorization": build_basic("other-merchant")}
    assert http.post(PATHS["subscriptions"], json=sent, headers=headers).status_code == 201
    both = run("export", ref)
    assert (both.exit_code, "otra_tienda" in both.stderr) == (1, True)
    one = run("export", ref, "--merchant", "otra_tienda")
    assert one.exit_code == 0
    [kept] = json.loads(one.stdout)["subscriptions"]["subscriptions"]
    assert kept["merchant_id"] == "otra_tienda"
