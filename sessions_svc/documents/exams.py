"""Links and exams as messages, for the person who holds a link."""

from datetime import datetime
from typing import Any

from google.protobuf.timestamp_pb2 import Timestamp
from sqlalchemy import Row

from protos import sessions_pb2 as pb
from sessions_svc.rules.acuity import to_snellen, to_snellen_metres
from sessions_svc.rules.links import build_return_url, choose_mode
from sessions_svc.rules.products import PRESCRIPTION_PRODUCTS, list_products
from sessions_svc.rules.statuses import choose_next_step


def compose_authentication(link: str, expires_at: datetime) -> pb.Authentication:
    """Return a new link, with its expiry in whole seconds."""
    seconds = Timestamp(seconds=int(expires_at.timestamp()))
    return pb.Authentication(link=link, expires_at=seconds)


def compose_door(link: Row[Any]) -> pb.Door:
    """Return what a link shows before it is used."""
    return pb.Door(
        first_name=link.first_name,
        last_name=link.last_name,
        products=_compose_products(link),
        status=link.status,
        choices=_compose_choices(link),
        store_name=_name_store(link),
        language=link.language,
    )


def compose_exam(exam: Row[Any]) -> pb.Exam:
    """Return an exam in its present state."""
    message = pb.Exam(
        partner=exam.partner,
        user_key=exam.user_key,
        session_key=exam.session_key,
        status=exam.status,
        products=_compose_products(exam),
        next=choose_next_step(exam.status, exam.is_acuity),
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
    if exam.visual_acuity:
        message.right_eye.CopyFrom(_compose_eye_result(**exam.visual_acuity["right_eye"]))
        message.left_eye.CopyFrom(_compose_eye_result(**exam.visual_acuity["left_eye"]))
    return message


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
