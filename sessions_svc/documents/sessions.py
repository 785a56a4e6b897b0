"""What partners see of a session: rows to messages."""

from collections.abc import Iterable, Mapping
from typing import Any

from sqlalchemy import Connection, Row

from protos import sessions_pb2 as pb
from sessions_svc.rules.acuity import snellen
from sessions_svc.rules.sessions import Status
from sessions_svc.store import dispensed_prescriptions as dispensed


def session(row: Row[Any]) -> pb.Session:
    """A session as it stands, without what came of it."""
    return pb.Session(
        user_key=row.user_key,
        session_key=row.session_key,
        status=row.status,
        created_at=row.created_at,
    )


def whole_session(tx: Connection, row: Row[Any]) -> pb.Session:
    """A session with what came of it, of `store.session_of`."""
    found = session(row)
    if came := data(tx, row):
        found.data.CopyFrom(came)
    return found


def record(tx: Connection, row: Row[Any]) -> pb.SessionRecord:
    """All that is kept of a session, of `store.session_record`."""
    return pb.SessionRecord(
        session=whole_session(tx, row),
        user=_user(row),
        order=_order(row),
        store_id=row.store_id,
        partner_info=row.partner_info,
        prescriptions=[pb.Prescription(**each) for each in row.prescriptions],
        missing_requirements=row.missing_requirements,
    )


def _user(row: Row[Any]) -> pb.User:
    return pb.User(
        email=row.email,
        first_name=row.first_name,
        last_name=row.last_name,
        birthdate=row.birthdate.isoformat(),
        region=row.region,
    )


def _order(row: Row[Any]) -> pb.Order:
    return pb.Order(
        charged_currency=row.charged_currency,
        charged_amount=row.charged_amount,
        products=[pb.Product(type=each) for each in row.products],
    )


def data(tx: Connection, row: Row[Any]) -> pb.SessionData | None:
    """What came of a session that is approved or completed."""
    if row.status == Status.APPROVED:
        prescriptions, files = dispensed.of_session(tx, row.id)
        each = [_dispensed_prescription(found, files[found.id]) for found in prescriptions]
        return pb.SessionData(dispensed_prescriptions=each)
    if row.status == Status.COMPLETED:
        return pb.SessionData(visual_acuity=_visual_acuity(row.visual_acuity))
    return None


def _visual_acuity(results: Mapping[str, Any]) -> pb.VisualAcuity:
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
