"""Early withdrawal and full cancellation over HTTP, on both engines."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from flask.testing import FlaskClient

from tests.gateway.subscription_calls import URL, get, read_violations, send
from tests.serving import Served
from tests.subscriptions_svc.links import load_merchants
from tests.subscriptions_svc.shop import build_delivery, create_confirmed, list_lenses

START = datetime(2026, 3, 1, 12, tzinfo=UTC)
LAW = {"id": "tienda_de_ley", "store_ref": "centro"}
REASON = {"reason": "Customer request"}
DONE = {"success": True, "message": "Suscripción cancelada exitosamente"}


@pytest.fixture(autouse=True)
def merchant_by_law(subscriptions: Served) -> None:
    """A merchant that grants the 14 days of consumer law."""
    merchant = {"id": LAW["id"], "store_refs": ["centro"], "withdrawal_days": 14}
    load_merchants(subscriptions, merchant)


def read_ends(http: FlaskClient, id_: str) -> tuple[bool, bool]:
    """Return whether a till shows "end it", and whether that takes a summary."""
    actions = get(http, f"{URL}/{id_}")["available_actions"]
    return actions["withdraw"], actions["cancel"]


def hand_over(served: Served, body: Any, **changes: Any) -> str:
    """A confirmed subscription with all the boxes of its left eye handed over."""
    made = create_confirmed(served, body, **changes)
    uuid = list_lenses(made)[0].reference_uuid
    served.call("CreateBoxDeliveries", build_delivery(made.id, (uuid, 4)))
    return made.id


def test_the_service_picks_the_early_withdrawal(
    http: FlaskClient, subscriptions: Served, body: Any
) -> None:
    with subscriptions.clock.at(START):
        made = create_confirmed(subscriptions, body)
        assert read_ends(http, made.id) == (True, False)
        free = {**REASON, "summary": {"purchase_fee": 0, "total_to_pay": 0}}
        assert read_violations(send(http, free, f"{URL}/{made.id}/cancel"), 422, "invalid") == [
            ("summary", "Ending is still free: no sums.")
        ]
        answer = send(http, REASON, f"{URL}/{made.id}/cancel")
        assert (answer.status_code, answer.get_json()) == (200, DONE)
        assert read_ends(http, made.id) == (False, False)


def test_the_service_picks_the_full_cancellation(
    http: FlaskClient, subscriptions: Served, body: Any
) -> None:
    with subscriptions.clock.at(START):
        id_ = hand_over(subscriptions, body)
        assert read_ends(http, id_) == (True, True)
        url = f"{URL}/{id_}/cancel"
        assert read_violations(send(http, REASON, url), 422, "invalid") == [
            (
                "summary",
                "Required once anything was handed over, or 24 hours after the confirmation.",
            )
        ]
        left = get(http, f"{URL}/{id_}")["last_persisted_cart"]["cart_items"][0]["items"][0]
        summary = {
            "purchase_fee": 0,
            "total_to_pay": left["cancellation_cost_kept"]["value"],
            "kept_items": [left["reference_uuid"]],
        }
        assert summary["total_to_pay"] == 24_000
        answer = send(http, {**REASON, "summary": summary}, url)
        assert (answer.status_code, answer.get_json()) == (200, DONE)


def test_unopened_lenses_are_returned_free_of_charge_where_the_law_says_so(
    http: FlaskClient, subscriptions: Served, body: Any
) -> None:
    with subscriptions.clock.at(START):
        id_ = hand_over(subscriptions, body, merchant=LAW)
    with subscriptions.clock.at(START + timedelta(days=14)):
        left = get(http, f"{URL}/{id_}")["last_persisted_cart"]["cart_items"][0]["items"][0]
        uuids = [left["reference_uuid"]]
        summary = {"purchase_fee": 0, "total_to_pay": 0, "returned_items": uuids}
        url = f"{URL}/{id_}/cancel"
        opened = send(http, {**REASON, "summary": summary}, url)
        assert read_violations(opened, 422, "invalid") == [
            ("summary.total_to_pay", "Must be 12000: the fee and the costs of all items.")
        ]
        unopened = {**REASON, "summary": {**summary, "unopened_items": uuids}}
        answer = send(http, unopened, url)
        assert (answer.status_code, answer.get_json()) == (200, DONE)
