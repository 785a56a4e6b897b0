"""Links and exams as messages, for the person who holds a link."""

from datetime import datetime
from typing import Any

from google.protobuf.timestamp_pb2 import Timestamp
from sqlalchemy import Connection, Row

from protos import sessions_pb2 as pb
from sessions_svc.rules.acuity import to_snellen, to_snellen_metres
from sessions_svc.rules.links import build_return_url, choose_mode
from sessions_svc.rules.products import (
    PRESCRIPTION_PRODUCTS,
    compute_price,
    list_products,
    owes_payment,
)
from sessions_svc.rules.statuses import CHECKOUT, STARTABLE_STATUSES, Status, choose_next_step
from sessions_svc.store.tables import charges, payment_accounts


def compose_authentication(link: str, expires_at: datetime) -> pb.Authentication:
    """Return a new link, with its expiry in whole seconds."""
    seconds = Timestamp(seconds=int(expires_at.timestamp()))
    return pb.Authentication(link=link, expires_at=seconds)


def compose_door(link: Row[Any]) -> pb.Door:
    """Return what a link shows before it is used."""
    prices = compute_prices(link)
    return pb.Door(
        first_name=link.first_name,
        last_name=link.last_name,
        products=_compose_products(link),
        status=link.status,
        choices=_compose_choices(link),
        store_name=_name_store(link),
        language=link.language,
        price=prices[0] if len(prices) == 1 else None,
        choice_prices=prices if len(prices) > 1 else (),
    )


def compute_prices(link: Row[Any]) -> list[pb.Price]:
    """Return what is to be paid: for the session, or for each choice; nothing if nothing is."""
    if link.charged_amount is not None or link.paid_at is not None:
        return []
    if link.price_amount is not None:
        return [pb.Price(currency=link.price_currency, amount=link.price_amount)]
    products = list_products(link.products, link.chosen_product)
    if products and link.status not in STARTABLE_STATUSES:
        return []  # its exam began before the price list
    offers = [products] if products else [[each] for each in PRESCRIPTION_PRODUCTS]
    amounts = [compute_price(link.prices, each) for each in offers]
    if not any(amounts):
        return []
    return [pb.Price(currency=link.prices["currency"], amount=each) for each in amounts]


def compose_exam(tx: Connection, exam: Row[Any]) -> pb.Exam:
    """Return an exam in its present state."""
    message = pb.Exam(
        partner=exam.partner,
        user_key=exam.user_key,
        session_key=exam.session_key,
        status=exam.status,
        products=_compose_products(exam),
        next=choose_next_step(exam.status, exam.is_acuity, owes_payment(exam)),
        store_name=_name_store(exam),
        mode=choose_mode(exam.store_id) or "",
        language=exam.language,
    )
    if exam.redirect_url:
        message.return_url = build_return_url(
            exam.redirect_url,
            exam.user_key,
            exam.session_key,
            exam.status,
            exam.missing_requirements or (),
        )
    if message.next == CHECKOUT:
        _add_payment(tx, message, exam)
    if exam.visual_acuity and exam.status == Status.COMPLETED:
        message.right_eye.CopyFrom(_compose_eye_result(**exam.visual_acuity["right_eye"]))
        message.left_eye.CopyFrom(_compose_eye_result(**exam.visual_acuity["left_eye"]))
    return message


def _add_payment(tx: Connection, message: pb.Exam, exam: Row[Any]) -> None:
    """Add what is to be paid to an exam, and how."""
    message.price.CopyFrom(pb.Price(currency=exam.price_currency, amount=exam.price_amount))
    if payment_accounts.find(tx, exam.partner) is None:
        message.payment = "by_hand"
        return
    page = charges.find_payable(tx, exam.partner, str(exam.id))
    if page is None:
        message.payment = "page"
    elif page.url is None:
        message.payment = "preparing"
    else:
        message.payment, message.payment_url = "open", page.url


def _compose_products(session: Row[Any]) -> list[pb.Product]:
    products = list_products(session.products, session.chosen_product)
    return [pb.Product(type=each) for each in products]


def _compose_choices(session: Row[Any]) -> list[pb.Product]:
    if list_products(session.products, session.chosen_product):
        return []
    return [pb.Product(type=each) for each in PRESCRIPTION_PRODUCTS]


def _name_store(session: Row[Any]) -> str:
    name: str = session.store_name or session.store_id or ""
    return name


def _compose_eye_result(logmar: float | None = None) -> pb.EyeResult:
    if logmar is None:
        return pb.EyeResult()
    return pb.EyeResult(logmar=logmar, feet=to_snellen(logmar), metres=to_snellen_metres(logmar))
