"""What partners see of a session: rows to messages."""

from collections.abc import Iterable, Mapping
from typing import Any

from sqlalchemy import Connection, Row

from protos import sessions_pb2 as pb
from sessions_svc import dispensed
from sessions_svc.acuity import snellen
from sessions_svc.rules import Status


def session(row: Row[Any]) -> pb.Session:
    """A session as it stands, without what came of it."""
    return pb.Session(
        user_key=row.user_key,
        session_key=row.session_key,
        status=row.status,
        created_at=row.created_at,
    )


def whole_session(tx: Connection, row: Row[Any]) -> pb.Session:
    """A session with what came of it, when it has ended well."""
    found = session(row)
    if row.status == Status.APPROVED:
        found.data.dispensed_prescriptions.extend(dispensed_prescriptions(tx, row.id))
    elif row.status == Status.COMPLETED:
        found.data.visual_acuity.CopyFrom(visual_acuity(row.visual_acuity))
    return found


def dispensed_prescriptions(tx: Connection, session_id: int) -> list[pb.DispensedPrescription]:
    """What was dispensed in a session."""
    found, files = dispensed.of_session(tx, session_id)
    return [_dispensed_prescription(row, files[row.id]) for row in found]


def visual_acuity(results: Mapping[str, Any]) -> pb.VisualAcuity:
    """What an exam has found, of valid results."""
    return pb.VisualAcuity(
        right_eye=_eye_acuity(**results["right_eye"]),
        left_eye=_eye_acuity(**results["left_eye"]),
        correction=results["correction"],
        distance=results.get("distance"),
        smallest_logmar=results.get("smallest_logmar"),
    )


def _eye_acuity(logmar: float | None = None) -> pb.EyeAcuity:
    if logmar is None:
        return pb.EyeAcuity()
    return pb.EyeAcuity(logmar=logmar, snellen=snellen(logmar))


def _dispensed_prescription(row: Row[Any], files: Iterable[Row[Any]]) -> pb.DispensedPrescription:
    return pb.DispensedPrescription(
        id=row.id,
        type=row.type,
        issue_date=row.issue_date.isoformat(),
        expiration_date=row.expiration_date.isoformat(),
        assets=[pb.Asset(content_type=each.content_type, source=each.source) for each in files],
        **row.eyes,
    )
