"""Sessions as messages: as a partner sees them, and in full for the staff."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from google.protobuf.timestamp_pb2 import Timestamp
from sqlalchemy import Connection, Row

from protos import sessions_pb2 as pb
from sessions_svc.rules.acuity import to_snellen
from sessions_svc.rules.links import choose_mode
from sessions_svc.rules.statuses import Status, has_ended
from sessions_svc.rules.verification import find_verification
from sessions_svc.store.dispensed_prescriptions import (
    list_dispensed_prescriptions,
    list_prescriptions_of_sessions,
)
from sessions_svc.store.partners import find_store_name
from sessions_svc.store.payments import find_refund, list_refunds
from sessions_svc.store.tables import accounts


def compose_session(row: Row[Any]) -> pb.Session:
    """Return a session without its `data`."""
    return pb.Session(
        user_key=row.user_key,
        session_key=row.session_key,
        status=row.status,
        created_at=row.created_at,
    )


def compose_session_in_full(tx: Connection, row: Row[Any]) -> pb.Session:
    """Return a session with all that it has, from its `SINGLE_COLUMNS`."""
    session = compose_session(row)
    more = {**describe_choices(tx, row), "mode": choose_mode(row.store_id)}
    session.MergeFrom(pb.Session(**more, refunded_at=find_refunded_at(tx, row)))
    if data := compose_session_data(tx, row):
        session.data.CopyFrom(data)
    return session


def describe_choices(tx: Connection, row: Row[Any]) -> dict[str, Any]:
    """Return what the person chose and where they are, as fields of a session and its events."""
    return {
        "chosen_product": None if row.products else row.chosen_product,
        "store_id": row.store_id,
        "store_name": find_store_name(tx, row.account_id, row.store_id),
        "price": compose_price(row.price_currency, row.price_amount),
        "paid_at": row.paid_at,
    }


def find_refunded_at(tx: Connection, row: Row[Any]) -> Timestamp | None:
    """Return when the payment of a session went back, in whole seconds."""
    if row.paid_at is None:
        return None
    partner = accounts.name(tx, row.account_id)
    refund = find_refund(list_refunds(tx, partner, row), row)
    return to_seconds(refund.ended_at) if refund is not None else None


def to_seconds(moment: datetime | None) -> Timestamp | None:
    """Return a moment in whole seconds."""
    return None if moment is None else Timestamp(seconds=int(moment.timestamp()))


def compose_refund(row: Row[Any]) -> pb.SessionRefund:
    """Return a refund as staff see it."""
    return pb.SessionRefund(
        currency=row.currency,
        amount=row.amount,
        by=row.provider,
        state=row.state,
        reference=row.ref,
        created_at=to_seconds(row.created_at),
        ended_at=to_seconds(row.ended_at),
    )


def compose_price(currency: str | None, amount: int | None) -> pb.Price | None:
    """Return a price, if there is one."""
    return None if amount is None else pb.Price(currency=currency or "", amount=amount)


def compose_listed_sessions(tx: Connection, rows: Sequence[Row[Any]]) -> list[pb.Session]:
    """Return sessions of a page; the approved ones with their prescriptions, without files."""
    approved = [row.id for row in rows if row.status == Status.APPROVED]
    dispensed = list_prescriptions_of_sessions(tx, approved)
    sessions = []
    for row in rows:
        session = compose_session(row)
        if row.status == Status.APPROVED:
            each = [_compose_dispensed(found, ()) for found in dispensed[row.id]]
            session.data.CopyFrom(pb.SessionData(dispensed_prescriptions=each))
        sessions.append(session)
    return sessions


def compose_session_record(tx: Connection, row: Row[Any], now: datetime) -> pb.SessionRecord:
    """Return everything that is stored of a session, from a row of `get_session_record`."""
    partner = accounts.name(tx, row.account_id)
    return pb.SessionRecord(
        session=compose_session_in_full(tx, row),
        user=_compose_user(row),
        order=_compose_order(row),
        store_id=row.store_id,
        partner_info=row.partner_info,
        prescriptions=[pb.Prescription(**each) for each in row.prescriptions],
        missing_requirements=row.missing_requirements,
        verifications=[_compose_verification(row, each, now) for each in row.prescriptions],
        refunds=[compose_refund(each) for each in list_refunds(tx, partner, row)],
    )


def compose_session_data(tx: Connection, row: Row[Any]) -> pb.SessionData | None:
    """Return the outcome of an approved or ended acuity session; None for any other."""
    if row.status == Status.APPROVED:
        prescriptions, files = list_dispensed_prescriptions(tx, row.id)
        each = [_compose_dispensed(found, files[found.id]) for found in prescriptions]
        return pb.SessionData(dispensed_prescriptions=each)
    if not has_ended(row.status) or not (row.visual_acuity or row.eye_health):
        return None
    data = pb.SessionData()
    if row.visual_acuity:
        data.visual_acuity.CopyFrom(_compose_visual_acuity(row.visual_acuity))
    if row.eye_health:
        data.eye_health.CopyFrom(pb.EyeHealth(**row.eye_health))
    return data


def _compose_user(row: Row[Any]) -> pb.User:
    return pb.User(
        email=row.email,
        first_name=row.first_name,
        last_name=row.last_name,
        birthdate=row.birthdate.isoformat(),
        region=row.region,
    )


def _compose_order(row: Row[Any]) -> pb.Order:
    return pb.Order(
        charged_currency=row.charged_currency,
        charged_amount=row.charged_amount,
        products=[pb.Product(type=each) for each in row.products],
    )


def _compose_verification(
    row: Row[Any], prescription: Mapping[str, Any], now: datetime
) -> pb.Verification:
    kept = (row.verifications or {}).get(prescription["type"])
    return pb.Verification(type=prescription["type"], **find_verification(prescription, kept, now))


def _compose_visual_acuity(results: Mapping[str, Any]) -> pb.VisualAcuity:
    return pb.VisualAcuity(
        right_eye=_compose_eye_acuity(**results["right_eye"]),
        left_eye=_compose_eye_acuity(**results["left_eye"]),
        correction=results["correction"],
        distance=results.get("distance"),
        smallest_logmar=results.get("smallest_logmar"),
    )


def _compose_eye_acuity(logmar: float | None = None) -> pb.EyeAcuity:
    if logmar is None:
        return pb.EyeAcuity()
    return pb.EyeAcuity(logmar=logmar, snellen=to_snellen(logmar))


def _compose_dispensed(row: Row[Any], files: Iterable[Row[Any]]) -> pb.DispensedPrescription:
    return pb.DispensedPrescription(
        id=row.id,
        type=row.type,
        issue_date=row.issue_date.isoformat(),
        expiration_date=row.expiration_date.isoformat(),
        assets=[pb.Asset(content_type=each.content_type, source=each.source) for each in files],
        **row.eyes,
    )
