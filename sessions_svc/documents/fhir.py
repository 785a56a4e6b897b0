"""Dispensed prescriptions as FHIR documents."""

from typing import Any

from sqlalchemy import Row

from optics.fhir import to_json
from optics.fhir_write import Context, write_prescription
from protos import sessions_pb2 as pb


def compose_fhir(row: Row[Any]) -> pb.FhirDocument:
    """Return a dispensed prescription, from a row of `get_dispensed_prescription`."""
    prescription = {
        "id": row.id,
        "type": row.type,
        "issue_date": row.issue_date.isoformat(),
        "expiration_date": row.expiration_date.isoformat(),
        **row.eyes,
    }
    patient = {
        "identifier": {"value": row.user_key},
        "display": f"{row.first_name} {row.last_name}",
    }
    return pb.FhirDocument(json=to_json(write_prescription(prescription, Context(patient=patient))))
