"""Documents of others: what is carried, what is not, and what is refused."""

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from marshmallow import ValidationError

from optics.fhir import PRODUCT_KEYS, Remark, parse_json, to_json
from optics.fhir_read import read_cart_items, read_order_rx, read_prescription
from optics.fhir_write import Context, write_order_rx, write_prescription
from tests.optics.fhir_documents import (
    PRESCRIPTIONS,
    RXS,
    check_document,
    contact,
    document,
    extension,
    lens,
    load,
    numbers,
    product,
)

NO_PLACE = "The rx of an order has no place for it."


@given(RXS)
def test_an_rx_comes_back(rx: dict[str, Any]) -> None:
    """As numbers and as a client's JSON has them; and the document comes back to the digit."""
    written = write_order_rx(rx, Context(patient={"display": "Ada"}))
    kept = {name: drop_irrelevant(eye) for name, eye in rx.items()}
    for each in (written, load(written), parse_json(to_json(written))):
        assert read_order_rx(each) == (kept, [Remark("patient", NO_PLACE)])
    assert write_order_rx(kept, Context(patient={"display": "Ada"})) == written


@given(PRESCRIPTIONS)
def test_a_prescription_comes_back(prescription: dict[str, Any]) -> None:
    written = write_prescription(prescription, Context())
    for each in (written, load(written), parse_json(to_json(written))):
        assert read_prescription(each) == (prescription, [])
    assert write_prescription(read_prescription(written).value, Context()) == written


def drop_irrelevant(eye: dict[str, Any]) -> dict[str, Any]:
    """Return an eye as it comes back: a cylinder of 0 has no axis."""
    return eye if eye.get("cylinder") else {k: v for k, v in eye.items() if k != "axis"}


def test_the_example_of_hl7_is_read() -> None:
    """hl7.org, VisionPrescription example 33124, its second lens."""
    left = {
        "product": product("contact"),
        "eye": "left",
        "cylinder": -3.5,
        "axis": 160,
        "add": 1.75,
        "power": -2.50,
        "backCurve": 8.7,
        "diameter": 14.0,
        "duration": {"value": 1, "unit": "month", "code": "mo"},
        "color": "green",
        "brand": "OphthaGuard",
        "note": [{"text": "Protect the eyes"}],
    }
    example = document(left, created="2014-06-15", dateWritten="2014-06-15T10:00:00Z")
    value, remarks = read_prescription(example)
    assert value == {
        "type": "contacts",
        "issue_date": "2014-06-15",
        "left_eye": {
            "sphere": -2.5,
            "cylinder": -3.5,
            "axis": 160,
            "add": 1.75,
            "base_curve": 8.7,
            "diameter": 14.0,
            "brand_label": "OphthaGuard",
        },
    }
    assert [path for path, _ in remarks] == [
        "created",
        "lensSpecification.0.duration",
        "lensSpecification.0.color",
        "lensSpecification.0.note.0",
        "dateWritten",
    ]


def test_what_an_order_has_no_place_for_is_listed() -> None:
    odd = lens(
        color="green",
        note=[{"text": "AR coat"}],
        backCurve=4.25,
        prism=[{"amount": 1, "base": "in", "id": "p"}],
        extension=[
            extension("pd", valueDecimal=31.5),
            {"url": "https://other.example/vertex", "valueDecimal": 12},
        ],
        product=product("lens") | {"text": "CR-39"},
    )
    whole = document(
        odd,
        contact(),
        status="draft",
        intent="order",
        _created={"extension": [{"url": "https://other.example/why"}]},
        extension=[extension("binocular-pd", valueDecimal=63)],
    )
    value, remarks = read_order_rx(whole)
    assert value == {
        "right_eye": {
            "sphere": -2.0,
            "pd": 31.5,
            "horizontal_prism": {"power": 1.0, "direction": "in"},
        }
    }
    assert remarks == [
        Remark("status", "The prescription is a draft."),
        Remark("intent", NO_PLACE),
        Remark("_created", NO_PLACE),
        Remark("extension.0", "A binocular PD is not halved."),
        Remark("lensSpecification.0.color", NO_PLACE),
        Remark("lensSpecification.0.backCurve", NO_PLACE),
        Remark("lensSpecification.0.extension.1", NO_PLACE),
        Remark("lensSpecification.0.product.text", NO_PLACE),
        Remark("lensSpecification.0.prism.0.id", NO_PLACE),
        Remark("lensSpecification.0.note.0", NO_PLACE),
        Remark("lensSpecification.1", NO_PLACE),
    ]


def test_an_absent_sphere_is_not_0() -> None:
    value, remarks = read_order_rx(document(lens(sphere=None, cylinder=-1, axis=90)))
    assert value == {"right_eye": {"cylinder": -1.0, "axis": 90}}
    assert remarks == [
        Remark("lensSpecification.0.sphere", "Is absent, which is not read as 0."),
    ]


def test_the_sphere_of_a_contact_lens_is_its_power() -> None:
    """Where a document says both, they must be equal."""
    value, remarks = read_prescription(document(contact(power=None, sphere=-3)))
    assert value["left_eye"]["sphere"] == -3.0
    assert remarks == [
        Remark("lensSpecification.0.sphere", "Was read as the power of a contact lens."),
    ]
    assert read_prescription(document(contact(sphere=-2.0))).not_carried == []


def test_a_cylinder_of_0_has_no_axis() -> None:
    for axis in (0, 90, None):
        [eye] = read_order_rx(document(lens(cylinder=0, axis=axis))).value.values()
        assert eye == {"sphere": -2.0, "cylinder": 0.0}


@pytest.mark.parametrize(
    ("entries", "prism", "message"),
    [
        ("in 1, in 2", ("in", 3.0), "Base in 1.00, in 2.00 became one prism: in 3.00."),
        ("in 1, out 2.5", ("out", 1.5), "Base in 1.00, out 2.50 became one prism: out 1.50."),
        ("in 0.1, in 0.2", ("in", 0.3), "Base in 0.10, in 0.20 became one prism: in 0.30."),
        ("in 2, out 2", None, "Base in 2.00, out 2.00 became one prism: none."),
        ("in 2", ("in", 2.0), None),
        ("in 2, out 0", ("in", 2.0), None),
        ("out 0", None, None),
    ],
)
def test_prisms_of_one_axis_become_one(
    entries: str, prism: tuple[str, float] | None, message: str | None
) -> None:
    sent = [each.split() for each in entries.split(", ")]
    prisms = [{"amount": float(amount), "base": base} for base, amount in sent]
    value, remarks = read_order_rx(document(lens(prism=prisms)))
    expected = prism and {"power": prism[1], "direction": prism[0]}
    assert value["right_eye"].get("horizontal_prism") == expected
    assert [each.message for each in remarks] == ([message] if message else [])


@given(st.lists(st.tuples(numbers(0, 5), st.sampled_from(["up", "down"])), max_size=10))
def test_prisms_are_netted_exactly(entries: list[tuple[float, str]]) -> None:
    prisms = [{"amount": amount, "base": base} for amount, base in entries]
    value = read_order_rx(document(lens(prism=prisms))).value["right_eye"]
    prism = value.get("vertical_prism", {"power": 0.0, "direction": "up"})
    sign = 1 if prism["direction"] == "up" else -1
    hundredths = [round(amount * 100) * (1 if base == "up" else -1) for amount, base in entries]
    assert sign * prism["power"] == sum(hundredths) / 100


def test_a_lens_without_a_code_is_told_by_its_elements() -> None:
    text = {"text": "Contact lens"}
    assert read_prescription(document(contact(product=text))).value["type"] == "contacts"
    assert read_prescription(document(lens(product=text))).value["type"] == "glasses"


def test_contacts_become_cart_items() -> None:
    keys = [{"system": PRODUCT_KEYS, "code": each} for each in ("acme-30", "acme-90")]
    right = contact(
        eye="right",
        brand="Acme Daily",
        cylinder=-0.75,
        axis=10,
        add=2,
        backCurve=8.6,
        product={"coding": [*product("contact")["coding"], keys[0]]},
    )
    left = contact(product={"coding": [*product("contact")["coding"], *keys]})
    value, remarks = read_cart_items(document(right, left, lens()))
    assert value == [
        {
            "type": "contact_lens_subscription",
            "reference": "acme-30",
            "name": "Acme Daily, -2.00 -0.75 x 10, add +2.00, BC 8.6",
            "quantity": 1,
            "product_data": {"eye": "right"},
        },
        {
            "type": "contact_lens_subscription",
            "name": "Contact lens, -2.00",
            "quantity": 1,
            "product_data": {"eye": "left"},
        },
    ]
    assert Remark("lensSpecification.0.power", "Stands in the item's name alone.") in remarks
    assert Remark("lensSpecification.2", "A cart item has no place for it.") in remarks
    assert remarks[-1] == Remark(
        "lensSpecification.1.product", "Names several products; none is chosen."
    )


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "1",
        '{"a":1,"a":2}',
        '{"a":NaN}',
        "[" * 99_999,
        '{"a":"\\ud800"}',
        '{"a":1e9999999999999999999}',
    ],
)
def test_text_that_is_no_object_is_refused(text: str) -> None:
    with pytest.raises(ValidationError):
        read_order_rx(parse_json(text))


def test_a_pair_of_escapes_is_one_character() -> None:
    assert parse_json('{"a":"\\ud83d\\ude00"}') == {"a": "\U0001f600"}


def test_null_counts_as_absent_and_digits_are_kept() -> None:
    assert parse_json('{"a": null, "b": [{"c": null, "d": 1.50}]}') == {
        "b": [{"d": Decimal("1.5")}]
    }


def test_remarks_have_an_end() -> None:
    odd = document(lens(), **{f"x{index}": 1 for index in range(500)})
    remarks = read_order_rx(odd).not_carried
    assert (len(remarks), remarks[-1]) == (101, Remark("", "400 more are not listed."))


def test_what_is_read_is_written_as_valid_fhir() -> None:
    """Out of a document of another's, over an order, into one of ours."""
    other = document(lens(prism=[{"amount": 1, "base": "up"}] * 2, color="x"))
    check_document(write_order_rx(read_order_rx(other).value, Context()))
