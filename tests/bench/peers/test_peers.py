"""The peers behave as Optigate: they accept and refuse the same orders, on both engines."""

import copy
import json
import os
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from flask.testing import FlaskClient
from sqlalchemy import create_engine, text

from bench.experiments.contenders import PRODUCTS, Stores
from bench.experiments.launcher import format_address, run_contender
from gateway import create_app
from tests.serving import Served, build_basic

# Several processes are started, which takes long on a busy machine.
pytestmark = pytest.mark.timeout(600)
GONE = object()
REFUSED_CHANGES: list[tuple[str, Any]] = [
    ("mode", "maybe"),
    ("mode", GONE),
    ("lab", "lab_999"),
    ("account_number", "7654321"),
    ("order_type", "frame"),
    ("mounting_option", GONE),
    ("mounting_option", "Glued"),
    ("lens", None),
    ("lens.style", "style_456"),
    ("lens.color", "color_789"),
    ("lens.coats", ["coat_123", "coat_123"]),
    ("lens.tint_instruction", GONE),
    ("frame.eye_size", 9.99),
    ("frame.eye_size", "50"),
    ("frame.wrap", True),
    ("frame.material", "Zyl plastic"),
    ("frame.tracing", "R=1\u0000"),
    ("rx", {}),
    ("rx.right_eye.axis", GONE),
    ("rx.right_eye.axis", 90.5),
    ("rx.right_eye.cylnder", -1.0),
    ("rx.left_eye.sphere", GONE),
    ("rx.right_eye.horizontal_prism.direction", "up"),
    ("services", ["Tea"]),
    ("redo_data", {"type": "Remake", "reason": "scratched", "reference": "INV-9"}),
    ("submission_type", "multi_pair"),
    ("patient.first_name", " "),
    ("patient.first_name", "A\u0007da"),
    ("patient.email", "ada"),
    ("special_instructions", "x" * 1001),
    ("shipping.address.state", "US-NV"),
    ("shipping.address.postal_code", "89501\n"),
]
# What json_format takes for a number: to its advantage, and named under the bench's table.
TAKEN_AS_NUMBERS = [("frame.eye_size", "50"), ("frame.wrap", True)]
ACCEPTED_CHANGES: list[tuple[str, Any]] = [
    ("mode", "draft"),
    ("rx.left_eye", None),
    ("frame.eye_size", 10),
    ("lens.coats", []),
    ("shipping", GONE),
]


@dataclass
class Peer:
    """A running peer."""

    name: str
    base: str
    store: str
    subscription_id: str

    def call(
        self, path: str, body: Any = None, headers: dict[str, str] | None = None
    ) -> tuple[int, Any]:
        data = None if body is None else json.dumps(body).encode()
        sent = {**(headers or {}), "Content-Type": "application/json"}
        try:
            with urllib.request.urlopen(
                urllib.request.Request(self.base + path, data, sent), timeout=20
            ) as answer:
                return answer.status, json.load(answer)
        except urllib.error.HTTPError as error:
            return error.code, json.load(error)

    def headers(self) -> dict[str, str]:
        secret = {"client_id": "demo-client", "client_secret": "demo-client-secret"}
        token = self.call("/v1/oauth/token", secret)[1]["token"]
        return {"Authorization": f"Bearer {token}", "User-Email": "optician@example.com"}

    def orders(self) -> set[str]:
        engine = create_engine(self.store)
        with engine.connect() as tx:
            found = set(tx.execute(text("SELECT id FROM orders")).scalars())
        engine.dispose()
        return found


@pytest.fixture(scope="module", params=["fastapi", "smorest", "by_the_book"])
def peer(
    request: pytest.FixtureRequest, engine: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Peer]:
    """Each peer on each engine, started as the bench starts it."""
    folder = tmp_path_factory.mktemp("peer")
    make_store = Stores(engine, folder, os.environ["TEST_POSTGRES_URL"])
    contender = PRODUCTS[request.param](make_store)
    with run_contender(contender, folder):
        base = f"http://{format_address(contender.http_address)}"
        store = contender.urls.get("orders") or contender.urls[""]
        yield Peer(request.param, base, store, contender.subscription)
    make_store.drop_databases()


@pytest.fixture(scope="module")
def optigate(orders: Served) -> Callable[[Any], int]:
    """Return a function that answers with Optigate's status for an order."""
    app = create_app({"ORDERS_ADDR": orders.address})
    client: FlaskClient = app.test_client()
    secret = {"client_id": "demo-client", "client_secret": "demo-client-secret"}
    token = client.post("/v1/oauth/token", json=secret).get_json()["token"]
    headers = {"Authorization": f"Bearer {token}", "User-Email": "optician@example.com"}
    return lambda body: client.post("/v1/orders", json=body, headers=headers).status_code


def change(order: Any, path: str, value: Any) -> Any:
    """The order with one field changed or gone."""
    result = copy.deepcopy(order)
    *way, last = path.split(".")
    inner = result
    for name in way:
        inner = inner[name]
    if value is GONE:
        del inner[last]
    else:
        inner[last] = value
    return result


def test_an_order_is_stored_once_and_read_back(peer: Peer, body: Any) -> None:
    headers, before, sent = peer.headers(), peer.orders(), body("order")
    status, answer = peer.call("/v1/orders", sent, headers)
    assert (status, set(answer)) == (201, {"id"})
    assert peer.orders() - before == {answer["id"]}
    status, read = peer.call(f"/v1/orders/{answer['id']}", headers=headers)
    sent["shipping"]["address"]["country"] = "US"
    assert status == 200
    assert sent.items() <= read.items()
    assert read["lab_status"] == "submitted"


def test_bad_orders_are_refused_as_optigate_refuses_them(
    peer: Peer, body: Any, optigate: Callable[[Any], int]
) -> None:
    headers, before, order = peer.headers(), peer.orders(), body("order")
    bodies = [change(order, path, value) for path, value in REFUSED_CHANGES]
    assert [optigate(each) for each in bodies] == [400] * len(REFUSED_CHANGES)
    statuses = [peer.call("/v1/orders", each, headers)[0] for each in bodies]
    taken = [
        fault for fault, status in zip(REFUSED_CHANGES, statuses, strict=True) if status != 400
    ]
    assert taken == (TAKEN_AS_NUMBERS if peer.name == "by_the_book" else [])
    assert len(peer.orders() - before) == len(taken)


def test_good_orders_are_taken_as_optigate_takes_them(
    peer: Peer, body: Any, optigate: Callable[[Any], int]
) -> None:
    headers, order = peer.headers(), body("order")
    bodies = [change(order, path, value) for path, value in ACCEPTED_CHANGES]
    assert [peer.call("/v1/orders", each, headers)[0] for each in bodies] == [201] * len(
        ACCEPTED_CHANGES
    )
    assert [optigate(each) for each in bodies] == [201] * len(ACCEPTED_CHANGES)


def test_a_repeated_key_creates_one_order(peer: Peer, body: Any) -> None:
    headers, order = {**peer.headers(), "Idempotency-Key": "once"}, body("order")
    before = peer.orders()
    status, first = peer.call("/v1/orders", order, headers)
    assert (status, peer.call("/v1/orders", order, headers)) == (201, (201, first))
    assert peer.orders() - before == {first["id"]}
    other = change(order, "patient.first_name", "Grace")
    assert peer.call("/v1/orders", other, headers)[0] == 422
    assert peer.call("/v1/orders", other, {**headers, "Idempotency-Key": "twice"})[0] == 201


def test_every_fault_of_the_lab_is_named(peer: Peer, body: Any) -> None:
    order = change(body("order"), "services", ["Tea"])
    order["lens"]["tint"] = "Pink"
    error = peer.call("/v1/orders", order, peer.headers())[1]["error"]
    assert [each["param"] for each in error["errors"]] == ["services.0", "lens.tint"]


@pytest.mark.parametrize(
    ("changes", "status"),
    [
        ({"Authorization": ""}, 401),
        ({"Authorization": "Bearer tok_unknown"}, 401),
        ({"User-Email": ""}, 400),
        ({"User-Email": "stranger@example.org"}, 403),
    ],
)
def test_only_users_of_a_client_order(
    peer: Peer, body: Any, changes: dict[str, str], status: int
) -> None:
    before, headers = peer.orders(), {**peer.headers(), **changes}
    assert peer.call("/v1/orders", body("order"), headers)[0] == status
    assert peer.orders() == before


def test_a_bad_order_without_a_token_is_unauthorized(peer: Peer) -> None:
    assert peer.call("/v1/orders", {"mode": "maybe"})[0] == 401


def test_another_users_order_does_not_exist(peer: Peer, body: Any) -> None:
    headers = peer.headers()
    id_ = peer.call("/v1/orders", body("order"), headers)[1]["id"]
    other = {**headers, "User-Email": "second@example.com"}
    assert peer.call(f"/v1/orders/{id_}", headers=other)[0] == 404


def test_a_subscription_has_its_items_counters_and_amounts(peer: Peer) -> None:
    path = f"/api/public/v1/subscriptions/{peer.subscription_id}"
    status, found = peer.call(path, headers={"Authorization": build_basic("demo-merchant")})
    assert status == 200
    assert (found["status"], found["current_month"], found["total_months"]) == ("activating", 0, 24)
    (package,) = found["last_persisted_cart"]["cart_items"]
    assert package["total_with_tax"] == {"value": 50000, "string": "500,00 €"}
    assert [
        (each["product_data"]["eye"], each["delivered_boxes"], each["remaining_boxes"])
        for each in package["items"]
    ] == [("left", 2, 2), ("right", 1, 3)]
    assert found["available_actions"]["deliver_boxes"] is True


@pytest.mark.parametrize(
    ("account", "id_", "status"),
    [
        ("demo-merchant", "no-such-id", 404),
        ("other-merchant", None, 401),
        ("nobody", None, 401),
    ],
)
def test_a_subscription_is_seen_by_its_merchant_alone(
    peer: Peer, account: str, id_: str | None, status: int
) -> None:
    path = f"/api/public/v1/subscriptions/{id_ or peer.subscription_id}"
    assert peer.call(path, headers={"Authorization": build_basic(account)})[0] == status
