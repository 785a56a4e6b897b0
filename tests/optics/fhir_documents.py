"""Prescriptions as hypothesis makes them, documents of others, and the oracle of ours."""

import json
from typing import Any

import fhir.resources.visionprescription as r5
from fhir.resources.R4B import visionprescription as r4b
from hypothesis import strategies as st

from optics.fhir import EXTENSION_URL, PRODUCT_SYSTEM, to_json

MODELS = (r4b.VisionPrescription, r5.VisionPrescription)


def check_document(document: dict[str, Any]) -> None:
    """Assert that a document is valid in R4B and R5, its codes included."""
    for model in MODELS:
        check_codes(model.model_validate_json(to_json(document)))


def check_codes(element: Any) -> None:
    """Assert that every code of a bound value set is of that set, which the models do not check."""
    for name, field in type(element).model_fields.items():
        value = getattr(element, name)
        extra = field.json_schema_extra
        allowed = extra.get("enum_values") if isinstance(extra, dict) else None
        if allowed and value is not None:
            assert value in allowed, f"{name} is {value}"
        for each in value if isinstance(value, list) else [value]:
            if hasattr(type(each), "model_fields"):
                check_codes(each)


def load(document: dict[str, Any]) -> dict[str, Any]:
    """Return a document as a client's JSON parser has it, with plain floats."""
    loaded: dict[str, Any] = json.loads(to_json(document))
    return loaded


def numbers(low: float, high: float, step: float = 0.01) -> st.SearchStrategy[float]:
    """Numbers from `low` to `high` in steps, each the float nearest to its decimal."""
    each_one = round(1 / step)
    return st.integers(round(low * each_one), round(high * each_one)).map(lambda n: n / each_one)


def prisms(*directions: str) -> st.SearchStrategy[dict[str, Any]]:
    """A prism along one axis."""
    return st.fixed_dictionaries(
        {"power": numbers(0.01, 50), "direction": st.sampled_from(directions)}
    )


def with_cylinders(eyes: st.SearchStrategy[dict[str, Any]]) -> st.SearchStrategy[dict[str, Any]]:
    """Eyes with a cylinder and its axis, with a cylinder of 0, or without any."""
    cylinder = numbers(0.01, 20) | numbers(-20, -0.01)
    none: dict[str, Any] = {}
    cylinders: st.SearchStrategy[dict[str, Any]] = st.one_of(
        st.just(none),
        st.just({"cylinder": 0.0}),
        st.fixed_dictionaries({"cylinder": cylinder, "axis": st.integers(1, 180)}),
    )
    return st.builds(lambda eye, others: eye | others, eyes, cylinders)


POWER = numbers(-30, 30)
RX_EYES = with_cylinders(
    st.fixed_dictionaries(
        {"sphere": POWER},
        optional={
            "pd": numbers(20, 50),
            "near_pd": numbers(20, 50, 0.0001),
            "add": numbers(0.5, 5),
            "seg_height": numbers(0.5, 50),
            "oc_height": numbers(0.5, 50),
            "horizontal_prism": prisms("in", "out"),
            "vertical_prism": prisms("up", "down"),
        },
    )
) | st.fixed_dictionaries({"balance": st.just(True)}, optional={"pd": numbers(20, 50)})


def pairs(
    eyes: st.SearchStrategy[dict[str, Any]], least: int = 1
) -> st.SearchStrategy[dict[str, Any]]:
    """At least `least` eyes of a prescription."""
    both = st.fixed_dictionaries({"right_eye": eyes, "left_eye": eyes})
    if least == 2:
        return both
    return both | eyes.map(lambda eye: {"right_eye": eye}) | eyes.map(lambda eye: {"left_eye": eye})


LABELS = st.text("abcÅż 0-'<&\"\\", min_size=1, max_size=20).filter(lambda text: not text.isspace())
KEYS = st.from_regex(r"[a-z0-9._-]{1,9}( [a-zÅż]{1,3})?", fullmatch=True)
DAYS = st.dates().map(lambda day: day.isoformat())
GLASSES_EYES = with_cylinders(
    st.fixed_dictionaries(
        {"sphere": POWER},
        optional={"add": numbers(0.25, 5), "pupillary_distance": numbers(20, 50)},
    )
)
CONTACTS_EYES = with_cylinders(
    st.fixed_dictionaries(
        {"sphere": POWER, "product_keys": st.lists(KEYS, min_size=1, max_size=3)},
        optional={
            "add": numbers(0.25, 5),
            "base_curve": numbers(5, 12),
            "diameter": numbers(8, 20),
            "brand_label": LABELS,
            "model_label": LABELS,
        },
    )
)
RXS = pairs(RX_EYES)


def add_dominance(eyes: dict[str, Any], dominant: str | None) -> dict[str, Any]:
    """Return the eyes, with the dominances that name one of them."""
    if dominant is None:
        return eyes
    return {
        name: eye | {"dominance": "D" if name == dominant else "N"} for name, eye in eyes.items()
    }


def _prescribe(
    type: str, eyes: st.SearchStrategy[dict[str, Any]]
) -> st.SearchStrategy[dict[str, Any]]:
    heads = st.fixed_dictionaries(
        {
            "type": st.just(type),
            "id": st.integers(1, 2**53),
            "issue_date": DAYS,
            "expiration_date": DAYS,
        },
        optional={"verification": st.sampled_from(["verified", "unverified"])},
    )
    return st.builds(lambda head, both: head | both, heads, eyes)


PRESCRIPTIONS = _prescribe("glasses", pairs(GLASSES_EYES, 2)) | _prescribe(
    "contacts",
    st.builds(
        add_dominance,
        pairs(CONTACTS_EYES),
        st.sampled_from(["right_eye", "left_eye", None]),
    ),
)


def product(code: str) -> dict[str, Any]:
    """The product of a lens."""
    return {"coding": [{"system": PRODUCT_SYSTEM, "code": code}]}


def lens(**elements: Any) -> dict[str, Any]:
    """A lens of glasses for the right eye; elements that are None are taken out."""
    whole = {"product": product("lens"), "eye": "right", "sphere": -2.0} | elements
    return {name: each for name, each in whole.items() if each is not None}


def contact(**elements: Any) -> dict[str, Any]:
    """A contact lens for the left eye."""
    first = {"product": product("contact"), "eye": "left", "sphere": None, "power": -2.0}
    return lens(**(first | elements))


def document(*lenses: dict[str, Any], **elements: Any) -> dict[str, Any]:
    """A document of these lenses."""
    return {
        "resourceType": "VisionPrescription",
        "status": "active",
        "lensSpecification": list(lenses),
    } | elements


def extension(name: str, **value: Any) -> dict[str, Any]:
    """An extension of ours."""
    return {"url": EXTENSION_URL + name, **value}
