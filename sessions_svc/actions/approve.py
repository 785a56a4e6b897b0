"""Dispenses prescriptions, which ends a session."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row

from chassis.validation import refuse
from sessions_svc.documents.prescription_pdf import PDF, compose_pdf
from sessions_svc.documents.session_events import queue_session_event
from sessions_svc.rules.products import (
    collect_dispensed_keys,
    find_dispensing_faults,
    list_products,
)
from sessions_svc.rules.statuses import Status
from sessions_svc.store.dispensed_prescriptions import add_dispensed_prescriptions
from sessions_svc.store.partners import find_mapped_products, find_settings
from sessions_svc.store.payments import require_payment
from sessions_svc.store.sessions import get_partner_session, get_session_record, move_session


def approve(
    tx: Connection,
    partner: str,
    session_key: str,
    dispensed_prescriptions: Sequence[Mapping[str, Any]],
    now: datetime,
) -> Row[Any]:
    """Move a session to approved with its prescriptions; raise NotFound, WrongState or Invalid."""
    session = get_partner_session(tx, partner, session_key)
    session = move_session(tx, session, Status.APPROVED, now)
    require_payment(tx, session, Status.APPROVED)
    refuse_undispensable(tx, session, dispensed_prescriptions, now)
    add_dispensed_prescriptions(tx, session.id, dispensed_prescriptions)
    queue_session_event(tx, session, now)
    return session


def add_pdfs(tx: Connection, values: Mapping[str, Any], now: datetime) -> None:
    """Add a PDF to the assets of each prescription of a valid request, if the partner wants that.

    It is made before the session moves: no writer waits for it.
    """
    record = get_session_record(tx, values["partner"], values["session_key"])
    if record.status != Status.AWAITING_REVIEW:
        return
    settings = find_settings(tx, record.account_id)
    if settings.prescription_pdf:
        for each in values["dispensed_prescriptions"]:
            source = compose_pdf(each, record, values["partner"], now, settings.language)
            each["assets"].append({"content_type": PDF, "source": source})


def refuse_undispensable(
    tx: Connection, session: Row[Any], prescriptions: Sequence[Mapping[str, Any]], now: datetime
) -> None:
    """Raise Invalid for what was not ordered, is not mapped, or has expired."""
    mapped = find_mapped_products(tx, session.account_id, collect_dispensed_keys(prescriptions))
    products = list_products(session.products, session.chosen_product)
    refuse(find_dispensing_faults(prescriptions, products, mapped, now.date()))
