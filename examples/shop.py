"""A shop that sells contact lenses by subscription.

python -m examples.shop solicit ref-1     # prints the id, and the link of the cart for the shopper
python -m examples.shop deliver ID 1      # hands the cart over, and the 1st box for each eye
"""

import argparse
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from examples.api import BASE, build_basic, call

API = "/api/public/v1/subscriptions"
HEADERS = {"Authorization": build_basic("demo-merchant", "demo-merchant-secret")}
BODY = Path(__file__).parent.parent / "demo" / "subscription.json"


def solicit(reference: str) -> tuple[str, str]:
    """Solicit a subscription under the shop's own reference; returns its id and the cart's link."""
    body = {**json.loads(BODY.read_text()), "reference": reference}
    made = call("POST", API, body, key=f"subscription-{reference}", headers=HEADERS)
    return made["id"], f"{BASE}/s/{made['last_persisted_cart']['code']}"


def list_lenses(items: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """Yield the contact lenses of a cart, those in packages too."""
    for item in items:
        if item["type"] == "contact_lens_subscription":
            yield item
        yield from list_lenses(item.get("items", []))


def deliver(subscription_id: str, number: str) -> list[str]:
    """Hand over what is pending, and a box for each eye; returns what was delivered so far."""
    subscription = call("GET", f"{API}/{subscription_id}", headers=HEADERS)
    cart = subscription["last_persisted_cart"]["cart_items"]
    for item in cart:
        if item["status"] == "pending":
            path = f"{API}/{subscription_id}/cart_items/{item['reference_uuid']}/activate"
            call("PATCH", path, headers=HEADERS)
    boxes = [
        {"cart_item_reference_uuid": lens["reference_uuid"], "quantity": 1}
        for lens in list_lenses(cart)
    ]
    made = call(
        "POST",
        f"{API}/{subscription_id}/box_deliveries",
        {"deliveries": boxes},
        key=f"boxes-{subscription_id}-{number}",
        headers=HEADERS,
    )
    return [
        f"{each['name']}: {each['delivered_boxes']} of {each['box_count']}"
        for each in made["deliveries"]
    ]


def main() -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="examples.shop")
    actions = parser.add_subparsers(dest="action", required=True)
    actions.add_parser("solicit").add_argument("reference")
    delivery = actions.add_parser("deliver")
    delivery.add_argument("subscription_id")
    delivery.add_argument(
        "number", help="your own number of the delivery; repeated, it counts once"
    )
    given = parser.parse_args()
    if given.action == "solicit":
        print(*solicit(given.reference), sep="\n")
    else:
        print(*deliver(given.subscription_id, given.number), sep="\n")


if __name__ == "__main__":
    main()
