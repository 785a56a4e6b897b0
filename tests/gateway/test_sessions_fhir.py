"""A dispensed prescription as FHIR over HTTP, on both engines."""

import json

from flask.testing import FlaskClient

from tests.gateway.session_calls import OTHER_PARTNER, PARTNER, check_problem
from tests.optics.fhir_documents import check_document
from tests.serving import Served
from tests.sessions_svc.desk import build_dispensed_contacts
from tests.sessions_svc.rpcs.test_get_prescription_fhir import dispense


def test_it_works(http: FlaskClient, sessions: Served, unique: str) -> None:
    [id_] = dispense(sessions, unique, build_dispensed_contacts())
    path = f"/api/v2/partners/prescriptions/{id_}/fhir"
    answer = http.get(path, headers=PARTNER)
    assert (answer.status_code, answer.content_type) == (200, "application/fhir+json")
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    document = json.loads(answer.data)
    check_document(document)
    assert document["dateWritten"] == "2026-06-15"
    assert [each["power"] for each in document["lensSpecification"]] == [-1, -1]
    assert b'"cylinder":-0.25,"axis":90' in answer.data
    detail = "You have no such dispensed prescription."
    assert check_problem(http.get(path, headers=OTHER_PARTNER), 404, "Not Found", detail) == {}


def test_a_path_that_is_no_id_is_not_found(http: FlaskClient) -> None:
    for id_ in ("x", "9" * 30, "%00"):
        path = f"/api/v2/partners/prescriptions/{id_}/fhir"
        assert http.get(path, headers=PARTNER).status_code == 404
    path = "/api/v2/partners/prescriptions/1/fhir"
    assert http.get(f"{path}?x=1", headers=PARTNER).status_code == 400
    assert http.get(path).status_code == 401
