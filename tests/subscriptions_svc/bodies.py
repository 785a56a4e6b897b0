"""Bodies of subscriptions for tests of the rules, and their faults."""

import json
from copy import deepcopy
from datetime import date
from pathlib import Path
from typing import Any

from marshmallow import Schema, ValidationError

from subscriptions_svc.rules.carts import find_eye_faults, find_price_faults
from subscriptions_svc.rules.shoppers import (
    find_identity_faults,
    find_shopper_faults,
    find_store_faults,
)
from subscriptions_svc.rules.subscriptions import CREATE_SUBSCRIPTION

Document = dict[str, Any]
TODAY = date(2026, 3, 1)
EXAMPLE = json.loads(
    (Path(__file__).parents[2] / "demo" / "subscription.json").read_text(encoding="utf-8")
)


def copy_example() -> Document:
    return deepcopy(EXAMPLE)


def change_example(path: str, value: Any) -> Document:
    """The example with one field set, or taken away by `...`."""
    document = copy_example()
    *way, last = (int(step) if step.isdigit() else step for step in path.split("."))
    place: Any = document
    for step in way:
        place = place[step]
    if value is ...:
        del place[last]
    else:
        place[last] = value
    return document


def build_material(**fields: Any) -> Document:
    item = {
        "type": "material_subscription",
        "reference": "SUN-1",
        "name": "Sunglasses",
        "quantity": 1,
        "price_with_tax": 35000,
    }
    return item | fields


def build_lens(eye: str, **fields: Any) -> Document:
    item = {
        "type": "contact_lens_subscription",
        "reference": f"CL-{eye}",
        "name": "Contact lens",
        "quantity": 1,
        "price_with_tax": 100,
        "box_count": 4,
        "product_data": {"eye": eye},
    }
    return item | fields


def build_package(*items: Document, **fields: Any) -> Document:
    whole = {
        "type": "subscription_package",
        "name": "Package",
        "quantity": 1,
        "price_with_tax": sum(
            item.get("price_with_tax", 0) * item.get("quantity", 1) for item in items
        ),
        "items": list(items),
    }
    return whole | fields


def build_cart(*items: Document) -> Document:
    return copy_example() | {"cart_items": list(items)}


def flatten_messages(messages: Any, path: str = "") -> list[str]:
    if isinstance(messages, list):
        return [path] * len(messages)
    return [
        found
        for key, each in messages.items()
        for found in flatten_messages(each, f"{path}.{key}" if path else str(key))
    ]


def find_shape_faults(document: Document, schema: Schema = CREATE_SUBSCRIPTION) -> list[str]:
    """The path of each fault, sorted."""
    try:
        schema.load(document)
    except ValidationError as error:
        return sorted(flatten_messages(error.messages_dict))
    return []


def find_meaning_faults(
    document: Document, country: str = "ES", phone_country: str = "ES"
) -> list[str]:
    """The path of each fault, sorted; the example has a phone of Spain."""
    values = CREATE_SUBSCRIPTION.load(document)
    faults = [
        *find_store_faults(values, {"tienda_moderna"}),
        *find_shopper_faults(values, TODAY, phone_country),
        *find_identity_faults(values, country),
        *find_price_faults(values),
        *find_eye_faults(values),
    ]
    return sorted(path for path, _ in faults)


FIRST_ITEM_PATH = "cart_items.0"
LEFT_LENS_PATH = "cart_items.0.items.0"
RIGHT = "cart_items.0.items.1"
