"""The products of a session: what was ordered or chosen, and what may therefore be dispensed."""

from collections.abc import Collection, Mapping, Sequence
from datetime import date
from typing import Any

from marshmallow import Schema
from marshmallow.fields import Integer, String
from marshmallow.validate import Range

from sessions_svc.rules.codes import CURRENCY
from sessions_svc.rules.prescriptions import CONTACTS, EYES, GLASSES

MAX_PRICE = 99_999_999  # the most that providers take at once, in the smallest currency unit
MAX_REFERENCE_CHARACTERS = 200
_PRICE = Range(0, MAX_PRICE, error="Must be from {min} to {max}, in the smallest currency unit.")
# What a person may choose among where the order names nothing, in the order in which it is shown.
PRESCRIPTION_PRODUCTS = (GLASSES, CONTACTS)


def list_products(ordered: Sequence[str], chosen: str | None) -> list[str]:
    """Return what a session is for; empty while the person has not chosen."""
    return list(dict.fromkeys(ordered)) or ([chosen] if chosen else [])


def find_choice_fault(
    ordered: Sequence[str], chosen: str | None, product: str | None
) -> list[tuple[str, str]]:
    """Return the fault of a product chosen at the door, as (path, message)."""
    products = list_products(ordered, chosen)
    if product is None or not products or product in products:
        return []
    return [("product", f"Must be absent: the session is for {' and '.join(products)}.")]


def collect_dispensed_keys(prescriptions: Sequence[Mapping[str, Any]]) -> set[str]:
    """Return the lens products that valid prescriptions to dispense name."""
    eyes = (each[name] for each in prescriptions for name in EYES if name in each)
    return {key for eye in eyes for key in eye.get("product_keys", ())}


def find_dispensing_faults(
    prescriptions: Sequence[Mapping[str, Any]],
    products: Sequence[str],
    mapped: Collection[str],
    today: date,
) -> list[tuple[str, str]]:
    """Return what forbids dispensing to this session, as (path, message).

    `products` are those of the session; when there are none, either type may be dispensed.
    `mapped` are the lens products that the partner has mapped.
    """
    faults = []
    for number, each in enumerate(prescriptions):
        path = f"dispensed_prescriptions.{number}"
        if products and each["type"] not in products:
            faults.append((f"{path}.type", f"Must be what was ordered: {' or '.join(products)}."))
        if each["expiration_date"] < today.isoformat():
            faults.append((f"{path}.expiration_date", "Must not be in the past."))
        for name in EYES:
            keys = each.get(name, {}).get("product_keys", ())
            faults += [
                (f"{path}.{name}.product_keys.{index}", "Must be a product of this partner.")
                for index, key in enumerate(keys)
                if key not in mapped
            ]
    return faults


class PricesSchema(Schema):
    """The prices of a partner's products, in the smallest currency unit."""

    currency = String(required=True, validate=CURRENCY)
    glasses = Integer(strict=True, load_default=0, validate=_PRICE)
    contacts = Integer(strict=True, load_default=0, validate=_PRICE)
    acuity_service = Integer(strict=True, load_default=0, validate=_PRICE)


def compute_price(prices: Mapping[str, Any] | None, products: Sequence[str]) -> int:
    """Return what these products cost together; 0 without a price list."""
    return sum((prices or {}).get(each.replace("-", "_"), 0) for each in products)


def owes_payment(session: Any) -> bool:
    """Return whether a session has a price that is not paid."""
    return session.price_amount is not None and session.paid_at is None


def owes_choice(session: Any, prices: Mapping[str, Any] | None) -> bool:
    """Return whether a session has no price only because the person has not chosen a product."""
    is_settled = session.charged_amount is not None or session.paid_at is not None
    if is_settled or list_products(session.products, session.chosen_product):
        return False
    return any(compute_price(prices, [each]) for each in PRESCRIPTION_PRODUCTS)
