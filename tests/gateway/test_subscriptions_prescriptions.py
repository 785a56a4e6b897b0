"""Prescriptions and outcomes of boxes over HTTP, on both engines."""

import uuid
from datetime import UTC, datetime
from typing import Any

from flask.testing import FlaskClient

from tests.gateway.subscription_calls import SHOP
from tests.serving import Served
from tests.subscriptions_svc.links import load_merchants
from tests.subscriptions_svc.shop import confirm

URL = "/api/public/v1/subscriptions"
STRICT = {"id": "lens_shop", "store_ref": "main"}


def solicit(http: FlaskClient, served: Served, body: Any, **prescription: Any) -> Any:
    """A confirmed subscription at a merchant who requires prescriptions."""
    merchant = {"id": STRICT["id"], "store_refs": ["main"], "prescription_policy": "require"}
    load_merchants(served, merchant)
    sent = {**body("subscription"), "merchant": STRICT, "reference": uuid.uuid4().hex}
    for lens in sent["cart_items"][0]["items"]:
        lens["prescription"] = {"sphere": -2.25, "issue_date": "2026-01-10", **prescription}
    created = http.post(URL, json=sent, headers=SHOP)
    assert created.status_code == 201, created.data
    confirm(served, created.get_json()["id"])
    return created.get_json()


def list_lenses(made: Any) -> list[Any]:
    lenses: list[Any] = made["last_persisted_cart"]["cart_items"][0]["items"]
    return lenses


def test_a_prescription_is_shown_with_its_nulls(
    http: FlaskClient, subscriptions: Served, body: Any
) -> None:
    with subscriptions.clock.at(datetime(2026, 3, 1, 12, tzinfo=UTC)):
        made = solicit(http, subscriptions, body, expiration_date="2027-01-10")
    assert list_lenses(made)[0]["prescription"] == {
        "sphere": -2.25,
        "cylinder": None,
        "axis": None,
        "add": None,
        "base_curve": None,
        "diameter": None,
        "issue_date": "2026-01-10",
        "expiration_date": "2027-01-10",
        "expiration_is_derived": False,
        "is_expired": False,
        "prescriber": {"name": None, "country": "ES", "time_zone": "Europe/Madrid"},
        "verification": {
            "state": "unverified",
            "reason": None,
            "requested_at": None,
            "verify_by": None,
            "decided_at": None,
        },
    }


def test_boxes_past_the_expiry_are_422_with_the_date(
    http: FlaskClient, subscriptions: Served, body: Any
) -> None:
    made = solicit(http, subscriptions, body, expiration_date="2026-02-01")
    lens = list_lenses(made)[0]["reference_uuid"]
    sent = {"deliveries": [{"cart_item_reference_uuid": lens, "quantity": 1}]}
    answer = http.post(f"{URL}/{made['id']}/box_deliveries", json=sent, headers=SHOP)
    assert answer.status_code == 422
    assert answer.get_json()["errors"] == [
        {
            "cart_item_reference_uuid": lens,
            "code": "prescription_expired",
            "title": "The prescription of this lens expired on 2026-02-01.",
            "expiration_date": "2026-02-01",
        }
    ]


def test_a_carriers_boxes_come_back(http: FlaskClient, subscriptions: Served, body: Any) -> None:
    made = solicit(http, subscriptions, body, expiration_date="2999-01-01")
    lens = list_lenses(made)[0]["reference_uuid"]
    sent = {"cart_item_reference_uuid": lens, "quantity": 2, "outcome": "unknown"}
    url = f"{URL}/{made['id']}"
    answer = http.post(f"{url}/box_deliveries", json={"deliveries": [sent]}, headers=SHOP)
    assert answer.status_code == 200
    assert answer.get_json().keys() == {"deliveries"}
    [entry] = http.get(f"{url}/deliveries", headers=SHOP).get_json()["data"]
    assert entry["outcome"] == "unknown"
    assert "outcome_at" not in entry
    target = f"{url}/deliveries/{entry['id']}/outcome"
    answer = http.post(target, json={"outcome": "returned"}, headers=SHOP)
    assert answer.status_code == 200
    recorded = answer.get_json()
    assert recorded.pop("outcome_at")
    assert recorded == entry | {"outcome": "returned"}
    assert http.post(target, json={"outcome": "delivered"}, headers=SHOP).status_code == 422
    assert http.post(target, json={"outcome": "lost"}, headers=SHOP).status_code == 400
    assert http.post(target, json={"outcome": "returned"}).status_code == 401
    unknown = f"{url}/deliveries/0/outcome"
    assert http.post(unknown, json={"outcome": "returned"}, headers=SHOP).status_code == 404
    cart = http.get(url, headers=SHOP).get_json()
    assert list_lenses(cart)[0]["delivered_boxes"] == 0
