"""Changes of a subscription and its other calls over HTTP, on both engines."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from flask.testing import FlaskClient

from tests.gateway.subscription_calls import SHOP, URL, get, read_refusal, read_violations, send
from tests.serving import Served
from tests.subscriptions_svc.bodies import build_lens, build_material, build_package
from tests.subscriptions_svc.shop import confirm, create_activated, create_confirmed, pay, solicit

PREFIX = "/api/public/v1"
START = datetime(2026, 3, 1, 12, 0, 0, 651_000, tzinfo=UTC)
CART = [build_material(), build_package(build_lens("left"), build_lens("right"))]
SUCCESS = {"success": True}


@pytest.fixture
def active(http: FlaskClient, subscriptions: Served, body: Any) -> Any:
    """A paid, active subscription as read; the clock is set to a day after its start."""
    with subscriptions.clock.at(START):
        made = pay(subscriptions, create_activated(subscriptions, body, START, cart_items=CART).id)
    with subscriptions.clock.at(START + timedelta(days=1)):
        yield get(http, f"{URL}/{made.id}")


def expect_done(answer: Any, message: str) -> None:
    assert (answer.status_code, answer.content_type) == (200, "application/json")
    assert answer.get_json() == {**SUCCESS, "message": message}


def test_products_are_updated(http: FlaskClient, subscriptions: Served, active: Any) -> None:
    glasses, lenses = active["last_persisted_cart"]["cart_items"]
    url = f"{URL}/{active['id']}"
    answer = send(
        http,
        {"cart_items": [{"id": lenses["id"]}, build_material(reference="NEW")]},
        f"{url}/update_products",
    )
    expect_done(answer, "Productos de suscripción actualizados exitosamente")
    pending = get(http, url)
    cart = pending.pop("pending_cart")
    assert pending.pop("available_actions") != active.pop("available_actions")
    assert pending == {name: active[name] for name in pending}
    assert [item["reference"] for item in cart["cart_items"]] == [
        None,
        "NEW",
    ]
    confirm(subscriptions, active["id"])
    found = get(http, url)
    assert found["last_persisted_cart"] == cart
    assert found["pending_cart"] is None
    assert glasses not in cart["cart_items"]


def test_an_action_that_the_state_forbids_is_invalid(
    http: FlaskClient, subscriptions: Served, body: Any, active: Any
) -> None:
    made = solicit(subscriptions, body).id
    event = {"type": "repair", "charged_amount": 1}
    item = active["last_persisted_cart"]["cart_items"][0]
    answer = send(http, {"cart_items": [build_material()]}, f"{URL}/{made}/update_products")
    title = "The subscription is not active."
    assert read_refusal(answer, 422) == {"errors": [{"code": "invalid", "title": title}]}
    expect_done(
        send(http, {"reason": "x"}, f"{URL}/{made}/cancel"), "Suscripción cancelada exitosamente"
    )
    again = read_refusal(send(http, {"reason": "x"}, f"{URL}/{made}/cancel"), 409)
    title = "The subscription has ended."
    assert again == {"errors": [{"code": "conflict", "title": title}]}
    event["product_id"] = item["reference_uuid"]
    url = f"{URL}/{active['id']}/warranty_event"
    expect_done(send(http, event, url), "Evento de garantía creado exitosamente")


def test_a_cancellation_after_a_day_has_its_sums(http: FlaskClient, active: Any) -> None:
    url = f"{URL}/{active['id']}/cancel"
    glasses, lenses = active["last_persisted_cart"]["cart_items"]
    told = read_violations(send(http, {"reason": "Customer request"}, url), 422, "invalid")
    message = "Required once anything was handed over, or 24 hours after the confirmation."
    assert told == [("summary", message)]
    summary = {
        "purchase_fee": 1000,
        "total_to_pay": 0,
        "kept_items": [glasses["reference_uuid"]],
        "returned_items": [lenses["reference_uuid"]],
    }
    sent = {"reason": "Customer request", "summary": summary}
    ((source, _),) = read_violations(send(http, sent, url), 422, "invalid")
    assert source == "summary.total_to_pay"
    summary["total_to_pay"] = (
        1000
        + glasses["cancellation_cost_kept"]["value"]
        + lenses["cancellation_cost_returned"]["value"]
    )
    expect_done(send(http, sent, url), "Suscripción cancelada exitosamente")
    assert get(http, f"{URL}/{active['id']}")["status"] == "cancelled"


@pytest.mark.parametrize(
    ("sent", "sources"),
    [
        ("{", [None]),
        ("[]", [None]),
        ('{"type": 1}', ["type"]),
        ('{"surplus": 1}', ["surplus"]),
        ('{"type": "repair", "type": "repair"}', ["type"]),
        ("{}", ["charged_amount", "product_id", "type"]),
        ('{"type": "theft", "charged_amount": 0}', ["charged_amount", "product_id", "type"]),
        ('{"charged_amount": 1.5}', ["charged_amount"]),
    ],
)
def test_every_fault_of_a_warranty_event_is_invalid(
    http: FlaskClient, active: Any, sent: str, sources: list[str | None]
) -> None:
    errors = read_refusal(send(http, sent, f"{URL}/{active['id']}/warranty_event"), 422)["errors"]
    assert {error["code"] for error in errors} == {"invalid"}
    assert sorted(error.get("source") or "" for error in errors) == [each or "" for each in sources]


def test_shape_comes_before_state_and_state_before_meaning(
    http: FlaskClient, subscriptions: Served, body: Any
) -> None:
    made = create_confirmed(subscriptions, body).id
    update, cancel = f"{URL}/{made}/update_products", f"{URL}/{made}/cancel"
    assert read_violations(send(http, {"cart_items": []}, update), 400, "malformed")
    unknown = {"cart_items": [{"id": "x"}]}
    assert "source" not in read_refusal(send(http, unknown, update), 422)["errors"][0]
    send(http, {"reason": "x"}, cancel)
    assert read_violations(send(http, {"reason": ""}, cancel), 400, "malformed")
    wrong = {"reason": "x", "summary": {"purchase_fee": -1, "total_to_pay": 0}}
    assert read_refusal(send(http, wrong, cancel), 409)["errors"][0]["code"] == "conflict"


def test_a_pre_approval(http: FlaskClient) -> None:
    sent: dict[str, Any] = {
        "merchant": {"reference": "tienda_moderna", "store_ref": "tienda_moderna"},
        "shopper": {"nin": "00000006Y", "date_of_birth": "2000-12-20", "given_names": None},
    }
    answer = send(http, sent, f"{PREFIX}/pre_approvals")
    assert (answer.status_code, answer.get_json()) == (
        200,
        {"approved": True, "amount_limit": {"value": 150_000, "string": "1.500,00 €"}},
    )
    sent["shopper"]["date_of_birth"] = "2020-12-20"
    assert send(http, sent, f"{PREFIX}/pre_approvals").get_json() == {
        "approved": False,
        "amount_limit": {"value": 0, "string": "0,00 €"},
    }


def test_a_price_simulation(http: FlaskClient, body: Any) -> None:
    cart = body("subscription")["cart_items"]
    del cart[0]["reference"]
    answer = send(http, {"cart_items": cart}, f"{PREFIX}/price_simulations")

    def money(value: int, string: str) -> dict[str, Any]:
        return {"value": value, "string": string}

    lenses = [
        {
            "type": "contact_lens_subscription",
            "reference": f"CL-{eye.upper()}-001",
            "name": f"{eye.capitalize()} contact lens",
            "quantity": 1,
            "price_with_tax": money(25000, "250,00 €"),
            "total_with_tax": money(25000, "250,00 €"),
            "subscription_price": money(1000, "10,00 €"),
            "total_subscription_price": money(1000, "10,00 €"),
        }
        for eye in ("left", "right")
    ]
    assert (answer.status_code, answer.get_json()) == (
        200,
        {
            "cart_items": [
                {
                    "type": "subscription_package",
                    "reference": None,
                    "name": "Contact lens package",
                    "quantity": 1,
                    "price_with_tax": money(50000, "500,00 €"),
                    "total_with_tax": money(50000, "500,00 €"),
                    "subscription_price": money(2000, "20,00 €"),
                    "total_subscription_price": money(2000, "20,00 €"),
                    "items": lenses,
                }
            ],
            "total_with_tax": money(50000, "500,00 €"),
            "total_subscription_price": money(2000, "20,00 €"),
            "total_months": 24,
        },
    )


def test_the_ledger_lists_who_handed_over_what_and_when(http: FlaskClient, active: Any) -> None:
    left = active["last_persisted_cart"]["cart_items"][1]["items"][0]
    entry = {"cart_item_reference_uuid": left["reference_uuid"], "quantity": 2}
    headers = {**SHOP, "X-Request-Id": "till-7"}
    send(http, {"deliveries": [entry]}, f"{URL}/{active['id']}/box_deliveries", headers)
    listed = get(http, f"{URL}/{active['id']}/deliveries?per_page=5")
    assert listed["data"][0].pop("id").isdigit()
    assert listed == {
        "meta": {"page": 1, "per_page": 5, "total_count": 1, "total_pages": 1},
        "data": [
            {
                "delivered_at": "2026-03-02T12:00:00.651Z",
                "cart_item_reference_uuid": left["reference_uuid"],
                "reference": "CL-left",
                "name": "Contact lens",
                "product_data": {"eye": "left"},
                "quantity": 2,
                "subscription_year": 1,
                "account": "demo-merchant",
                "request_id": "till-7",
                "outcome": "delivered",
            }
        ],
    }
    wrong = http.get(f"{URL}/{active['id']}/deliveries?page=0", headers=SHOP)
    assert [source for source, _ in read_violations(wrong, 400, "malformed")] == ["page"]


def test_a_key_has_each_effect_once(
    http: FlaskClient, subscriptions: Served, active: Any, unique: str
) -> None:
    glasses, lenses = active["last_persisted_cart"]["cart_items"]
    own, other = f"{URL}/{active['id']}", build_material(reference="OTHER")
    merchant = {"reference": "tienda_moderna", "store_ref": "tienda_moderna"}
    shopper = {"nin": "00000007F", "date_of_birth": "2000-12-20"}
    event = {"type": "repair", "charged_amount": 1, "product_id": glasses["reference_uuid"]}
    returned = [glasses["reference_uuid"], lenses["reference_uuid"]]
    total = sum(item["cancellation_cost_returned"]["value"] for item in (glasses, lenses))
    summary = {"purchase_fee": 0, "total_to_pay": total, "returned_items": returned}
    calls: list[tuple[str, Any]] = [
        (f"{own}/update_products", {"cart_items": [{"id": lenses["id"]}, other]}),
        (f"{own}/warranty_event", event),
        (f"{PREFIX}/pre_approvals", {"merchant": merchant, "shopper": shopper}),
        (f"{PREFIX}/price_simulations", {"cart_items": [other]}),
        (f"{own}/cancel", {"reason": "x", "summary": summary}),
    ]
    headers = {**SHOP, "Idempotency-Key": unique}
    for url, sent in calls:
        first = send(http, sent, url, headers)
        assert first.status_code == 200, (url, first.get_data())
        before = subscriptions.rows()
        again = send(http, sent, url, headers)
        assert (again.status_code, again.get_json()) == (200, first.get_json())
        assert again.headers["Idempotent-Replayed"] == "true"
        assert subscriptions.rows() == before
