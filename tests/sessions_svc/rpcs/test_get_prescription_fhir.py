"""GetPrescriptionFhir: a dispensed prescription as FHIR has it, on both engines."""

from typing import Any

import pytest
from grpc import StatusCode

from optics.fhir import parse_json
from optics.fhir_read import read_prescription
from protos import sessions_pb2 as pb
from sessions_svc.rules.statuses import Status
from tests.optics.fhir_documents import MODELS, check_codes
from tests.serving import Served
from tests.sessions_svc.bodies import Values
from tests.sessions_svc.desk import bring, build_dispensed_contacts, build_dispensed_glasses, move


def dispense(served: Served, key: str, *prescriptions: Values) -> list[str]:
    """Approve a session with prescriptions, and return their ids."""
    bring(served, key, Status.AWAITING_REVIEW)
    move(served, "Approve", key, dispensed_prescriptions=list(prescriptions))
    request = pb.GetSessionRequest(user_key=key, session_key=key)
    return [
        str(each.id) for each in served.call("GetSession", request).data.dispensed_prescriptions
    ]


def ask(prescription_id: str) -> pb.GetPrescriptionFhirRequest:
    """A request for a prescription."""
    return pb.GetPrescriptionFhirRequest(prescription_id=prescription_id)


@pytest.mark.parametrize("prescription", [build_dispensed_contacts(), build_dispensed_glasses()])
def test_it_comes_back_as_it_was_dispensed(
    sessions: Served, unique: str, prescription: Values
) -> None:
    [id_] = dispense(sessions, unique, prescription)
    text = sessions.call("GetPrescriptionFhir", ask(id_)).json
    for model in MODELS:
        check_codes(model.model_validate_json(text))
    value, remarks = read_prescription(parse_json(text))
    assert value == {"id": int(id_), **prescription}
    assert [each.path for each in remarks] == ["patient"]
    patient: Any = parse_json(text)["patient"]
    assert patient == {"identifier": {"value": unique}, "display": "Test User"}


@pytest.mark.parametrize("id_", ["", "0", "x", "-1", "1e3", "٣", "9" * 18, "9" * 400, "\0"])
def test_an_unknown_id_is_not_found(sessions: Served, id_: str) -> None:
    assert sessions.refusal("GetPrescriptionFhir", ask(id_)).code is StatusCode.NOT_FOUND


def test_another_partners_prescription_is_not_found(sessions: Served, unique: str) -> None:
    [id_] = dispense(sessions, unique, build_dispensed_contacts())
    failure = sessions.refusal("GetPrescriptionFhir", ask(id_), "other")
    assert (failure.code, failure.message) == (
        StatusCode.NOT_FOUND,
        "You have no such dispensed prescription.",
    )
