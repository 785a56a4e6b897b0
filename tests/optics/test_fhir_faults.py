"""What is wrong in a document is named by its path; nothing else breaks a reader."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from marshmallow import ValidationError

from optics.fhir_read import read_cart_items, read_order_rx, read_prescription
from tests.optics.fhir_documents import contact, document, extension, lens

FAULTS: list[tuple[dict[str, Any], dict[str, Any]]] = [
    (
        document(lens(), resourceType="Bundle"),
        {"resourceType": ["Must be VisionPrescription."]},
    ),
    (document(), {"lensSpecification": ["Must have 1 to 20 entries."]}),
    (document(contact()), {"lensSpecification": ["Must have a lens of glasses."]}),
    (
        document(lens(), status="entered-in-error"),
        {"status": ["A prescription that is entered-in-error is void."]},
    ),
    (
        document(lens(), status="expired"),
        {"status": ["Must be one of: active, cancelled, draft, entered-in-error."]},
    ),
    (
        document(lens(), modifierExtension=[{"url": "https://other.example/not"}]),
        {"modifierExtension": ["Changes the meaning of the rest in a way that is unknown here."]},
    ),
    (
        document(lens(), dateWritten="2024-02-30"),
        {"dateWritten": ["Must be a dateTime, such as 2024-02-29."]},
    ),
    (
        document(lens(), extension=[extension("expiration-date", valueDate="2024")]),
        {"extension": {0: {"valueDate": ["Must be a day as YYYY-MM-DD."]}}},
    ),
]
LENS_FAULTS: list[tuple[dict[str, Any], dict[str, Any]]] = [
    (lens(eye="both"), {"eye": ["Must be one of: right, left."]}),
    (lens(eye=None), {"eye": ["Required."]}),
    (lens(product=None), {"product": ["Required."]}),
    (
        lens(product={"text": "x"}, sphere=None),
        {"product": ["Must say lens or contact."]},
    ),
    (lens(sphere="-2.00"), {"sphere": ["Must be a number."]}),
    (lens(sphere=True), {"sphere": ["Must be a number."]}),
    (lens(sphere=31), {"sphere": ["Must be from -30 to 30."]}),
    (
        lens(power=-2.0),
        {"power": ["Only of a contact lens; a lens of glasses has a sphere."]},
    ),
    (lens(cylinder=-1), {"axis": ["Required with a cylinder."]}),
    (lens(axis=90), {"axis": ["Only with a cylinder."]}),
    (
        lens(cylinder=-1, axis=0),
        {"axis": ["Must be from 1 to 180: 0 may be a missing axis."]},
    ),
    (
        lens(cylinder=-1, axis=90.5),
        {"axis": ["Must be a whole number from 1 to 180."]},
    ),
    (
        lens(cylinder=-1, axis=999),
        {"axis": ["Must be a whole number from 1 to 180."]},
    ),
    (lens(prism=1.0), {"prism": ["Must be an array."]}),
    (
        lens(prism=[{"amount": 1, "base": "nasal"}]),
        {"prism": {0: {"base": ["Must be one of: in, out, up, down."]}}},
    ),
    (
        lens(prism=[{"amount": 30, "base": "in"}] * 2),
        {"prism": ["Must be at most 50 in or out together."]},
    ),
    (
        lens(extension=[extension("pd", valueDecimal=63)]),
        {"extension": {0: {"valueDecimal": ["Must be from 20 to 50."]}}},
    ),
    (
        lens(extension=[extension("pd", valueString="31")]),
        {"extension": {0: {"valueDecimal": ["Required."]}}},
    ),
    (
        lens(extension=[extension("pd", valueDecimal=31)] * 2),
        {"extension": {1: ["Must not repeat an extension."]}},
    ),
    (
        lens(extension=[extension("balance", valueBoolean=True)]),
        {"sphere": ["A balance lens has no power."]},
    ),
]
FAULTS += [(document(each), {"lensSpecification": {0: faults}}) for each, faults in LENS_FAULTS] + [
    (
        document(lens(), lens(sphere=-3)),
        {
            "lensSpecification": {
                1: {"eye": ["The right eye has a lens already; send the one that is meant."]}
            }
        },
    ),
]
PRESCRIPTION_FAULTS: list[tuple[dict[str, Any], dict[str, Any]]] = [
    (
        document(contact(), lens()),
        {"lensSpecification": {1: {"product": ["Must not mix glasses and contact lenses."]}}},
    ),
    (
        document(contact(sphere=-2.25)),
        {"lensSpecification": {0: {"sphere": ["Must equal power, or be absent."]}}},
    ),
    (
        document(contact(backCurve=4.25)),
        {"lensSpecification": {0: {"backCurve": ["Must be from 5 to 12 mm."]}}},
    ),
]


@pytest.mark.parametrize(("sent", "faults"), FAULTS)
def test_a_fault_is_named_by_path(sent: dict[str, Any], faults: dict[str, Any]) -> None:
    with pytest.raises(ValidationError) as refused:
        read_order_rx(sent)
    assert refused.value.messages == faults


@pytest.mark.parametrize(("sent", "faults"), PRESCRIPTION_FAULTS)
def test_a_fault_of_a_prescription(sent: dict[str, Any], faults: dict[str, Any]) -> None:
    with pytest.raises(ValidationError) as refused:
        read_prescription(sent)
    assert refused.value.messages == faults


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.sampled_from(["right", "lens", ""]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["coding", "code", "url", "amount", "base", "text", "valueDecimal"]),
            inner,
        )
    ),
    max_leaves=8,
)
ROOT = ("status", "identifier", "extension", "lensSpecification", "dateWritten", "note", "text")
LENS = ("product", "eye", "sphere", "axis", "cylinder", "prism", "extension", "note", "brand")


@given(st.dictionaries(st.sampled_from(ROOT), JSON), st.dictionaries(st.sampled_from(LENS), JSON))
def test_any_json_is_read_or_refused(root: dict[str, Any], odd: dict[str, Any]) -> None:
    for read in (read_order_rx, read_prescription, read_cart_items):
        for sent in (document(lens(**odd)), document(contact(**odd)), document(lens(), **root)):
            try:
                value, _ = read(sent)
            except ValidationError:
                continue
            assert json.dumps(value, allow_nan=False)
