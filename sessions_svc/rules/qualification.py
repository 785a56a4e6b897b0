"""Eligibility: the limits of a partner, and the reasons why a person does not qualify."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

from sessions_svc.rules.acuity import ACUITY_SERVICE
from sessions_svc.rules.codes import US_STATES
from sessions_svc.rules.prescriptions import EYES


@dataclass(frozen=True)
class Limits:
    """The eligibility limits of a partner; bounds are inclusive.

    Ages are in whole years, powers in dioptres, regions are ISO 3166-2 codes. The
    limit of a cylinder applies to its magnitude.
    """

    min_age: int = 18
    max_age: int = 55
    min_sphere: float = -12.0
    max_sphere: float = 6.0
    max_cylinder: float = 5.0
    max_add: float = 4.0
    regions: frozenset[str] = US_STATES


def compute_age(day: date, birthdate: date) -> int:
    """Return the age in whole years; outside leap years, 29 February is celebrated on 1 March."""
    had_birthday = (day.month, day.day) >= (birthdate.month, birthdate.day)
    return day.year - birthdate.year - (not had_birthday)


def find_disqualifications(
    values: Mapping[str, Any], limits: Limits, products: Collection[str], today: date
) -> list[str]:
    """Return every reason why a person does not qualify, in the order of the API.

    `values` are those of a valid request, `products` the lens products that the
    partner has mapped. An order of the acuity service alone needs no qualification.
    """
    ordered = {product["type"] for product in values.get("order", {}).get("products", ())}
    if ordered == {ACUITY_SERVICE}:
        return []
    user = values["user"]
    age = compute_age(today, date.fromisoformat(user["birthdate"]))
    reasons = {
        "age": not limits.min_age <= age <= limits.max_age,
        "region": user["region"] not in limits.regions,
        "unknown_product_key": not collect_product_keys(values) <= set(products),
        "prescription": any(_exceeds(eye, limits) for eye in _list_eyes(values)),
    }
    return [reason for reason, applies in reasons.items() if applies]


def collect_product_keys(values: Mapping[str, Any]) -> set[str]:
    """Return the lens products that the prescriptions of a valid request name."""
    return {eye["product_key"] for eye in _list_eyes(values) if "product_key" in eye}


def _list_eyes(values: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    prescriptions = values.get("prescriptions", ())
    return [each[name] for each in prescriptions for name in EYES if name in each]


def _exceeds(eye: Mapping[str, Any], limits: Limits) -> bool:
    sphere = eye.get("sphere", limits.max_sphere)
    return (
        not limits.min_sphere <= sphere <= limits.max_sphere
        or abs(eye.get("cylinder", 0.0)) > limits.max_cylinder
        or eye.get("add", 0.0) > limits.max_add
    )
