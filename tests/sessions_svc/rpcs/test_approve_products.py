"""Approve dispenses what was ordered, is mapped and has not expired; with a PDF if wanted."""

import re
import zlib
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from grpc import StatusCode

from protos import sessions_pb2 as pb
from sessions_svc.rules.statuses import Status
from tests.serving import Served
from tests.sessions_svc.bodies import build_user, create
from tests.sessions_svc.desk import (
    bring,
    build_dispensed_contacts,
    build_dispensed_glasses,
    create_partner,
    expect_refusal,
    get_status,
    move,
)

LAST_DAY = datetime(2027, 6, 15, 23, 59, 59, tzinfo=UTC)


def find_faults(served: Served, key: str, *dispensed: Any) -> list[str]:
    """Return the paths of what is wrong with an approval, which must change nothing."""
    failure = expect_refusal(served, "Approve", key, dispensed_prescriptions=list(dispensed))
    assert failure.code is StatusCode.INVALID_ARGUMENT
    assert get_status(served, key) == "awaiting_review"
    return [fault.path.removeprefix("dispensed_prescriptions.") for fault in failure.faults]


@pytest.mark.parametrize(
    ("ordered", "paths"),
    [
        (["contacts"], ["1.type"]),
        (["glasses"], ["0.type"]),
        (["glasses", "contacts"], []),
        ([], []),
    ],
)
def test_types_are_those_of_the_order(
    sessions: Served, unique: str, ordered: list[str], paths: list[str]
) -> None:
    order = {"products": [{"type": each} for each in ordered]}
    bring(sessions, unique, Status.AWAITING_REVIEW, order=order)
    dispensed = [build_dispensed_contacts(), build_dispensed_glasses()]
    if paths:
        assert find_faults(sessions, unique, *dispensed) == paths
    else:
        move(sessions, "Approve", unique, dispensed_prescriptions=dispensed)
        assert get_status(sessions, unique) == "approved"


def test_unmapped_products_are_named(sessions: Served, unique: str) -> None:
    bring(sessions, unique, Status.AWAITING_REVIEW)
    contacts = build_dispensed_contacts()
    contacts["left_eye"]["product_keys"] = ["example1", "unknown", "Example2"]
    paths = ["1.left_eye.product_keys.1", "1.left_eye.product_keys.2"]
    assert find_faults(sessions, unique, build_dispensed_glasses(), contacts) == paths


def test_a_prescription_is_dispensed_through_its_last_day(sessions: Served, unique: str) -> None:
    bring(sessions, unique, Status.AWAITING_REVIEW)
    contacts = build_dispensed_contacts()
    with sessions.clock.at(LAST_DAY + timedelta(seconds=1)):
        assert find_faults(sessions, unique, contacts) == ["0.expiration_date"]
    with sessions.clock.at(LAST_DAY):
        move(sessions, "Approve", unique, dispensed_prescriptions=[contacts])
    assert get_status(sessions, unique) == "approved"


def read_texts(source: bytes) -> str:
    """Return the texts that a PDF shows."""
    streams = re.findall(rb"stream\n(.*?)\nendstream", source, re.DOTALL)
    return " ".join(
        shown
        for each in streams
        for shown in re.findall(r"\((.*?)\) Tj", zlib.decompress(each).decode("latin-1"))
    )


def test_a_partner_may_have_a_pdf_of_each(sessions: Served, unique: str) -> None:
    authorization = create_partner(
        sessions, unique, prescription_pdf=True, products=["example1", "example2"]
    )
    user = build_user(first_name="\u0141ukasz", last_name="Zo\u00eb \u674e (a)")
    request = create(user_key="u", session_key="s", user=user)
    sessions.call("CreateSession", request, "", authorization=authorization)
    own = {"content_type": "text/plain", "source": "YQ=="}
    left = {"sphere": 0.0, "pupillary_distance": 31.5}
    dispensed = [
        build_dispensed_contacts(assets=[own], left_eye=None),
        build_dispensed_glasses(left_eye=left),
    ]
    for rpc in ("StartExam", "SubmitExam"):
        move(sessions, rpc, "s", partner=unique)
    move(sessions, "Approve", "s", partner=unique, dispensed_prescriptions=dispensed)
    keys = pb.GetSessionRequest(user_key="u", session_key="s")
    found = sessions.call("GetSession", keys, "", authorization=authorization)
    contacts, glasses = found.data.dispensed_prescriptions
    assert [each.content_type for each in contacts.assets] == ["text/plain", "application/pdf"]
    (pdf,) = glasses.assets
    assert pdf.source.startswith(b"%PDF-")
    shown = read_texts(contacts.assets[1].source)
    for text in ("Contact lens", "Lukasz", "Zo\xeb", "Li", "2027-06-15", "-0.25", "090", "8.7"):
        assert text in shown
    assert "Left" not in shown
    assert "31.5" in read_texts(pdf.source)


@pytest.mark.parametrize(
    ("language", "texts"),
    [
        ("de", ("Verordnung f\xfcr Kontaktlinsen", "Sph\xe4re", "Rechts \\(OD", "Geburtsdatum")),
        ("fr", ("Ordonnance de lentilles", "Sph\xe8re", "\xc9tablie le", "Droit \\(OD")),
        ("pt", ("Prescri\xe7\xe3o de lentes", "Adi\xe7\xe3o", "V\xe1lida at\xe9")),
    ],
)
def test_a_pdf_is_in_the_language_of_the_partner(
    sessions: Served, unique: str, language: str, texts: tuple[str, ...]
) -> None:
    products = ["example1", "example2"]
    authorization = create_partner(
        sessions, unique, prescription_pdf=True, products=products, language=language
    )
    request = create(user_key="u", session_key="s")
    sessions.call("CreateSession", request, "", authorization=authorization)
    for rpc in ("StartExam", "SubmitExam", "Approve"):
        move(sessions, rpc, "s", partner=unique)
    keys = pb.GetSessionRequest(user_key="u", session_key="s")
    found = sessions.call("GetSession", keys, "", authorization=authorization)
    (pdf,) = found.data.dispensed_prescriptions[0].assets
    shown = read_texts(pdf.source)
    assert [each for each in texts if each not in shown] == []
    assert f"/Lang ({language})".encode() in pdf.source


def test_without_the_setting_there_is_none(sessions: Served, unique: str) -> None:
    bring(sessions, unique, Status.APPROVED)
    keys = pb.GetSessionRequest(user_key=unique, session_key=unique)
    (found,) = sessions.call("GetSession", keys).data.dispensed_prescriptions
    assert not found.assets
