"""The contact lenses: a shop that hands boxes over only while the prescription is valid."""

import json
from typing import Any

from examples import desk, partner, shop
from examples.api import BASE, call
from examples.chain.person import read_person
from protos import subscriptions_pb2
from protos.subscriptions_pb2_grpc import SubscriptionDeskServiceStub

# With prescription_policy "require", and reminders of boxes; see examples/endpoints.
MERCHANT = {"id": "optica_segura", "store_ref": "optica_segura"}
POWERS = ("sphere", "cylinder", "axis", "add", "base_curve", "diameter")


def add_prescriptions(items: list[dict[str, Any]], prescriptions: list[dict[str, Any]]) -> None:
    """Put the doctor's prescription on file with the lens of each eye."""
    contacts = next(each for each in prescriptions if each["type"] == "contacts")
    dates = {name: contacts[name] for name in ("issue_date", "expiration_date")}
    for lens in shop.list_lenses(items):
        eye = contacts[f"{lens['product_data']['eye']}_eye"]
        powers = {name: eye[name] for name in POWERS if eye.get(name) is not None}
        lens["prescription"] = {**dates, **powers}


def subscribe(session_key: str) -> list[str]:
    """Solicit a subscription; returns its id, and the link on which the shopper confirms it."""
    person = read_person()
    body = {**json.loads(shop.BODY.read_text()), "merchant": MERCHANT, "reference": session_key}
    body |= {"given_names": person["first_name"], "surnames": person["last_name"]}
    body["email"] = person["email"]
    add_prescriptions(body["cart_items"], partner.list_prescriptions(session_key))
    key = f"subscribe-{session_key}"
    made = call("POST", shop.API, body, key=key, headers=shop.HEADERS)
    return [made["id"], f"{BASE}/s/{made['last_persisted_cart']['code']}"]


def settle(subscription_id: str) -> list[str]:
    """Record that the shopper has paid; returns the subscription's status."""
    request = subscriptions_pb2.RecordPaymentRequest(
        subscription_id=subscription_id, successful=True
    )
    with desk.connect("SUBSCRIPTIONS", "127.0.0.1:50053") as channel:
        return [desk.call(SubscriptionDeskServiceStub(channel).RecordPayment, request).status]


def deliver(subscription_id: str, number: str) -> list[str]:
    """Hand over a box for each eye; returns what was delivered so far, and the next day."""
    boxes = shop.deliver(subscription_id, number)
    found = call("GET", f"{shop.API}/{subscription_id}", headers=shop.HEADERS)
    return [*boxes, f"next: {found['next_delivery_date']}"]
