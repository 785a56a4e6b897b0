"""Documents of ours: valid FHIR, with nothing made up."""

import copy
import json
from typing import Any

import pytest
from hypothesis import given

from optics.fhir import DATA_ABSENT_REASON, to_decimal, to_json
from optics.fhir_write import Context, write_order_rx, write_prescription
from tests.optics.fhir_documents import MODELS, PRESCRIPTIONS, RXS, check_codes, check_document

ABSENT = {"extension": [{"url": DATA_ABSENT_REASON, "valueCode": "unknown"}]}
OURS = "https://optigate.example/fhir/StructureDefinition/"
PRODUCT = {
    "system": "http://terminology.hl7.org/CodeSystem/ex-visionprescriptionproduct",
    "code": "lens",
}
CONTEXT = Context(
    identifier="ord_1", created="2026-11-26T02:00:00Z", patient={"display": "Ada Example"}
)
RX: dict[str, Any] = {
    "left_eye": {"balance": True},
    "right_eye": {
        "sphere": -2.25,
        "cylinder": -0.75,
        "axis": 180,
        "add": 2.0,
        "pd": 31.5,
        "near_pd": 30.0,
        "seg_height": 18.0,
        "oc_height": 20.25,
        "horizontal_prism": {"power": 1.0, "direction": "in"},
        "vertical_prism": {"power": 0.5, "direction": "up"},
    },
}
CONTACTS: dict[str, Any] = {
    "id": 7,
    "type": "contacts",
    "issue_date": "2026-07-04",
    "expiration_date": "2027-07-04",
    "right_eye": {
        "sphere": -1.0,
        "cylinder": 0.0,
        "axis": 90,
        "add": 1.5,
        "base_curve": 8.7,
        "diameter": 14.1,
        "dominance": "D",
        "product_keys": ["example1", "example2"],
        "brand_label": "Acme Daily",
        "model_label": "Toric",
    },
}


def test_an_order_is_written() -> None:
    document = write_order_rx(RX, CONTEXT)
    check_document(document)
    assert json.loads(to_json(document)) == {
        "resourceType": "VisionPrescription",
        "identifier": [
            {
                "system": "https://optigate.example/fhir/NamingSystem/order-ids",
                "value": "ord_1",
            }
        ],
        "status": "active",
        "created": "2026-11-26T02:00:00Z",
        "patient": {"display": "Ada Example"},
        "_dateWritten": ABSENT,
        "prescriber": ABSENT,
        "lensSpecification": [
            {
                "extension": [
                    {"url": f"{OURS}pd", "valueDecimal": 31.5},
                    {"url": f"{OURS}near-pd", "valueDecimal": 30},
                    {"url": f"{OURS}seg-height", "valueDecimal": 18},
                    {"url": f"{OURS}oc-height", "valueDecimal": 20.25},
                ],
                "product": {"coding": [PRODUCT]},
                "eye": "right",
                "sphere": -2.25,
                "cylinder": -0.75,
                "axis": 180,
                "prism": [{"amount": 1, "base": "in"}, {"amount": 0.5, "base": "up"}],
                "add": 2,
                "note": [
                    {
                        "text": "PD 31.5 mm; near PD 30 mm; segment height 18 mm; "
                        "optical center height 20.25 mm"
                    }
                ],
            },
            {
                "extension": [{"url": f"{OURS}balance", "valueBoolean": True}],
                "product": {"coding": [PRODUCT]},
                "eye": "left",
                "note": [{"text": "balance lens"}],
            },
        ],
    }


def test_contacts_are_written() -> None:
    """power, not sphere; no axis to a cylinder of 0; who is not known is said to be so."""
    document = write_prescription(CONTACTS, Context())
    check_document(document)
    assert json.loads(to_json(document)) == {
        "resourceType": "VisionPrescription",
        "extension": [
            {"url": f"{OURS}dominant-eye", "valueCode": "right"},
            {"url": f"{OURS}expiration-date", "valueDate": "2027-07-04"},
        ],
        "identifier": [
            {
                "system": "https://optigate.example/fhir/NamingSystem/prescription-ids",
                "value": "7",
            }
        ],
        "status": "active",
        "_created": ABSENT,
        "patient": ABSENT,
        "dateWritten": "2026-07-04",
        "prescriber": ABSENT,
        "lensSpecification": [
            {
                "extension": [{"url": f"{OURS}model-label", "valueString": "Toric"}],
                "product": {
                    "coding": [
                        {**PRODUCT, "code": "contact"},
                        {
                            "system": "https://optigate.example/fhir/CodeSystem/product-keys",
                            "code": "example1",
                        },
                        {
                            "system": "https://optigate.example/fhir/CodeSystem/product-keys",
                            "code": "example2",
                        },
                    ]
                },
                "eye": "right",
                "cylinder": 0,
                "add": 1.5,
                "power": -1,
                "backCurve": 8.7,
                "diameter": 14.1,
                "brand": "Acme Daily",
                "note": [{"text": "model Toric; dominant eye; expires 2027-07-04"}],
            }
        ],
    }


def test_powers_keep_two_places() -> None:
    """FHIR counts the digits of a decimal as its precision."""
    text = to_json(write_order_rx({"right_eye": {"sphere": -2.5, "pd": 30.0}}, Context()))
    assert '"sphere":-2.50' in text
    assert '"valueDecimal":30}' in text


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.1 + 0.2, "0.30"), (-0.0, "0.00"), (30.0, "30.00"), (-2.125, "-2.125"), (0.0001, "0.0001")],
)
def test_decimals_have_no_dust(value: float, text: str) -> None:
    assert f"{to_decimal(value, 2):f}" == text


def test_an_axis_of_0_is_written_as_180() -> None:
    eye = {"sphere": 0.0, "cylinder": -1.0, "axis": 0}
    [lens] = write_order_rx({"left_eye": eye}, Context())["lensSpecification"]
    assert lens["axis"] == 180


@pytest.mark.parametrize(("right", "left"), [("D", "D"), ("N", "N")])
def test_dominances_that_name_no_eye_are_left_out(right: str, left: str) -> None:
    both = copy.deepcopy(CONTACTS) | {"left_eye": {**CONTACTS["right_eye"], "dominance": left}}
    both["right_eye"]["dominance"] = right
    urls = [each["url"] for each in write_prescription(both, Context())["extension"]]
    assert urls == [f"{OURS}expiration-date"]


def test_a_single_eye_may_be_the_other_one() -> None:
    right = {"right_eye": {**CONTACTS["right_eye"], "dominance": "N"}}
    first = write_prescription(CONTACTS | right, Context())["extension"][0]
    assert first == {"url": f"{OURS}dominant-eye", "valueCode": "left"}


def test_a_product_key_that_is_no_code_of_fhir_is_left_out() -> None:
    right = {**CONTACTS["right_eye"], "product_keys": ["a b", "a  b", " a"]}
    [lens] = write_prescription(CONTACTS | {"right_eye": right}, Context())["lensSpecification"]
    assert [each["code"] for each in lens["product"]["coding"]] == ["contact", "a b"]


@given(RXS)
def test_every_order_is_valid(rx: dict[str, Any]) -> None:
    check_document(write_order_rx(rx, CONTEXT))


@given(PRESCRIPTIONS)
def test_every_prescription_is_valid(prescription: dict[str, Any]) -> None:
    check_document(write_prescription(prescription, Context()))


def test_the_oracle_finds_wrong_codes() -> None:
    """The models let them through; the walk does not."""
    document = write_order_rx(RX, CONTEXT)
    for change in ({"eye": "both"}, {"prism": [{"amount": 1, "base": "nasal"}]}):
        wrong = document | {"lensSpecification": [document["lensSpecification"][0] | change]}
        with pytest.raises(AssertionError):
            check_codes(MODELS[0].model_validate_json(to_json(wrong)))
