"""Who may take the test: what a partner serves, and why it does not serve somebody."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

from sessions_svc.rules.codes import US_STATES
from sessions_svc.rules.prescriptions import EYES
from sessions_svc.rules.sessions import ACUITY


@dataclass(frozen=True)
class Limits:
    """Whom a partner serves; every bound is itself served.

    Ages in whole years, powers in dioptres, regions as ISO 3166-2. A cylinder
    is limited in size, whatever its sign.
    """

    min_age: int = 18
    max_age: int = 55
    min_sphere: float = -12.0
    max_sphere: float = 6.0
    max_cylinder: float = 5.0
    max_add: float = 4.0
    regions: frozenset[str] = US_STATES


def age_on(day: date, birthdate: date) -> int:
    """Whole years of age; who was born on 29 February is a year older on 1 March in other years."""
    had_birthday = (day.month, day.day) >= (birthdate.month, birthdate.day)
    return day.year - birthdate.year - (not had_birthday)


def disqualifications(
    values: Mapping[str, Any], limits: Limits, products: Collection[str], today: date
) -> list[str]:
    """Every reason, in the API's order, why a valid request's person may not use the service.

    `products` are the lens products that the partner has mapped. An order of
    the acuity service alone needs no qualification.
    """
    ordered = {product["type"] for product in values.get("order", {}).get("products", ())}
    if ordered == {ACUITY}:
        return []
    user = values["user"]
    age = age_on(today, date.fromisoformat(user["birthdate"]))
    reasons = {
        "age": not limits.min_age <= age <= limits.max_age,
        "region": user["region"] not in limits.regions,
        "unknown_product_key": not product_keys(values) <= set(products),
        "prescription": any(_beyond(eye, limits) for eye in _eyes(values)),
    }
    return [reason for reason, applies in reasons.items() if applies]


def product_keys(values: Mapping[str, Any]) -> set[str]:
    """The lens products that a valid request's prescriptions name."""
    return {eye["product_key"] for eye in _eyes(values) if "product_key" in eye}


def _eyes(values: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    prescriptions = values.get("prescriptions", ())
    return [each[name] for each in prescriptions for name in EYES if name in each]


def _beyond(eye: Mapping[str, Any], limits: Limits) -> bool:
    sphere = eye.get("sphere", limits.max_sphere)
    return (
        not limits.min_sphere <= sphere <= limits.max_sphere
        or abs(eye.get("cylinder", 0.0)) > limits.max_cylinder
        or eye.get("add", 0.0) > limits.max_add
    )
