"""Contact lenses from FHIR into a cart over HTTP, on both engines."""

from typing import Any

from flask.testing import FlaskClient

from optics.fhir import to_json
from optics.fhir_write import Context, write_prescription
from tests.gateway.subscription_calls import SHOP
from tests.optics.fhir_documents import contact, document
from tests.sessions_svc.desk import build_dispensed_contacts

URL = "/api/public/v1/fhir/VisionPrescription/$cart-items"


def test_a_dispensed_prescription_becomes_a_cart(http: FlaskClient, body: Any) -> None:
    """From a session's document into a subscription, with price and boxes added."""
    prescription = {"id": 7, **build_dispensed_contacts()}
    for name in ("right_eye", "left_eye"):
        prescription[name] = {**prescription[name], "product_keys": ["example1"]}
    sent = to_json(write_prescription(prescription, Context()))
    answer = http.post(URL, data=sent, headers=SHOP)
    assert answer.status_code == 200
    items = answer.get_json()["cart_items"]
    assert items == [
        {
            "type": "contact_lens_subscription",
            "reference": "example1",
            "name": "Example Brand, -1.00 -0.25 x 90, BC 8.7, DIA 14.1",
            "quantity": 1,
            "product_data": {"eye": eye},
            "prescription": {
                "sphere": -1.0,
                "cylinder": -0.25,
                "axis": 90,
                "base_curve": 8.7,
                "diameter": 14.1,
                "issue_date": "2026-06-15",
                "expiration_date": "2027-06-15",
            },
        }
        for eye in ("right", "left")
    ]
    bought = [{**each, "price_with_tax": 12000, "box_count": 4} for each in items]
    package = {
        "type": "subscription_package",
        "name": "Lenses",
        "quantity": 1,
        "price_with_tax": 24000,
        "items": bought,
    }
    subscription = {**body("subscription"), "cart_items": [package], "reference": "fhir-1"}
    created = http.post("/api/public/v1/subscriptions", json=subscription, headers=SHOP)
    assert created.status_code == 201, created.data


def test_a_fault_is_named_by_its_path(http: FlaskClient) -> None:
    answer = http.post(URL, json=document(contact(eye="both")), headers=SHOP)
    assert answer.status_code == 422
    [error] = answer.get_json()["errors"]
    assert error["code"] == "invalid"
    assert "lensSpecification.0.eye" in str(error)
    assert http.post(URL, data=b"{", headers=SHOP).status_code == 400
