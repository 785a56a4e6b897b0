"""Names and phones as senders in the field write them: each with what is right (tests/field)."""

import json
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient

from chassis.notices.mail import MailServer
from chassis.notices.messages import build_message
from protos.sessions_pb2 import GetSessionRecordRequest
from tests.chassis.notices.test_channels import mail_server
from tests.gateway.front import CALLER, POST, read_faults
from tests.serving import SERVICES, Served
from tests.subscriptions_svc.links import read_messages
from tests.subscriptions_svc.shop import set_status

FIELD = Path(__file__).parents[1] / "field"
NAMES = json.loads((FIELD / "names.json").read_text())
CONTACTS = json.loads((FIELD / "contacts.json").read_text())
# Where a name is in a body, and the key that each new one needs.
PLACES = {
    "sessions": ("user.first_name", "session_key"),
    "orders": ("patient.first_name", ""),
    "subscriptions": ("given_names", "reference"),
}
MORE_REFUSED = [
    "Ada\tB", "Ada\u2029B", "Ada\x85B", "Ada\u2066B", "\u2800", "\u200d", "\u00ad\u00ad",
]  # fmt: skip
MORE_KEPT = [
    "\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645",
    "\u0915\u094d\u200d\u0937",
    "\u05d3\u05d5\u05d3\u200e",
]
# Other fields of one line, in each API.
OTHERS = [
    ("orders", "patient.phone_number"), ("orders", "frame.sku"), ("orders", "shipping.name"),
    ("orders", "shipping.address.line2"), ("sessions", "user.email"), ("sessions", "store_id"),
    ("subscriptions", "surnames"), ("subscriptions", "mobile_phone"), ("subscriptions", "email"),
    ("subscriptions", "address"), ("subscriptions", "reference"), ("subscriptions", "operator_ref"),
    ("subscriptions", "cart_items.0.name"), ("subscriptions", "cart_items.0.items.0.reference"),
]  # fmt: skip


def build(body: Any, service: str, path: str, text: str, unique: str) -> Any:
    """The example with a text at a path, and a key of its own."""
    sent = body(service.removesuffix("s"))
    if key := PLACES[service][1]:
        sent[key] = unique
    *way, last = path.split(".")
    place = sent
    for step in way:
        place = place[int(step)] if step.isdigit() else place.setdefault(step, {})
    place[last] = text
    return sent


def read_back(http: FlaskClient, served: Served, answer: Any, unique: str) -> str:
    """The name that a read returns for what was created; partners of sessions never read it."""
    if served.name == "sessions":
        request = GetSessionRecordRequest(partner="demo-partner", session_key=unique)
        record = served.call("GetSessionRecord", request, "staff", desk=True)
        return str(record.user.first_name)
    url = f"{POST[served.name]}/{answer.get_json()['id']}"
    found = http.get(url, headers=CALLER[served.name]).get_json()
    names = {"orders": ("patient", "first_name"), "subscriptions": ("customer", "given_names")}
    inside, name = names[served.name]
    return str(found[inside][name])


@pytest.mark.parametrize("service", SERVICES)
@pytest.mark.parametrize("text", NAMES["refused"] + MORE_REFUSED)
def test_a_name_that_breaks_or_hides_its_line_is_refused(
    http: FlaskClient, body: Any, unique: str, service: str, text: str, request: Any
) -> None:
    served: Served = request.getfixturevalue(service)
    before = served.rows()
    path = PLACES[service][0]
    sent = build(body, service, path, text, unique)
    answer = http.post(POST[service], json=sent, headers=CALLER[service])
    assert answer.status_code == 400
    faults = read_faults(service, answer)
    assert {each for each, _ in faults} == {path}
    assert all(text.strip() not in message or not text.strip() for _, message in faults)
    assert served.rows() == before


@pytest.mark.parametrize("service", SERVICES)
@pytest.mark.parametrize("text", NAMES["kept_as_they_are"] + MORE_KEPT)
def test_other_names_come_back_letter_by_letter(
    http: FlaskClient, body: Any, unique: str, service: str, text: str, request: Any
) -> None:
    sent = build(body, service, PLACES[service][0], text, unique)
    answer = http.post(POST[service], json=sent, headers=CALLER[service])
    assert answer.status_code == 201, answer.get_data()
    assert read_back(http, request.getfixturevalue(service), answer, unique) == text


@pytest.mark.parametrize(("service", "path"), OTHERS)
@pytest.mark.parametrize("text", ["a\u2028b", "a\tb", "a\u202eb", "\u3164"])
def test_so_is_every_other_field_of_one_line(
    http: FlaskClient, body: Any, unique: str, service: str, path: str, text: str
) -> None:
    sent = build(body, service, path, text, unique)
    answer = http.post(POST[service], json=sent, headers=CALLER[service])
    assert answer.status_code == 400
    assert path in {each for each, _ in read_faults(service, answer)}


def test_instructions_may_have_lines(http: FlaskClient, body: Any) -> None:
    text = NAMES["special_instructions_may_have"]
    sent = body("order") | {"special_instructions": text}
    answer = http.post(POST["orders"], json=sent, headers=CALLER["orders"])
    assert answer.status_code == 201
    read = http.get(f"/v1/orders/{answer.get_json()['id']}", headers=CALLER["orders"])
    assert read.get_json()["special_instructions"] == text


@pytest.mark.parametrize("phone", CONTACTS["mobile_phone"]["refused"] + ["112", "+34", "6" * 255])
def test_what_is_no_phone_is_refused(
    http: FlaskClient, subscriptions: Served, body: Any, unique: str, phone: str
) -> None:
    before = subscriptions.rows()
    sent = body("subscription") | {"reference": unique, "mobile_phone": phone}
    answer = http.post(POST["subscriptions"], json=sent, headers=CALLER["subscriptions"])
    assert answer.status_code == (400 if "\r" in phone else 422)
    assert [path for path, _ in read_faults("subscriptions", answer)] == ["mobile_phone"]
    assert subscriptions.rows() == before


@pytest.mark.parametrize("phone", CONTACTS["mobile_phone"]["accepted"] + ["+34666777888", ""])
def test_a_phone_is_returned_as_it_was_sent(
    http: FlaskClient, body: Any, unique: str, phone: str
) -> None:
    sent = body("subscription") | {"reference": unique, "mobile_phone": phone}
    answer = http.post(POST["subscriptions"], json=sent, headers=CALLER["subscriptions"])
    assert answer.status_code == 201, answer.get_data()
    assert answer.get_json()["customer"]["phone"] == (phone or None)


@pytest.mark.parametrize("address", CONTACTS["email"]["refused_or_really_sent"])
def test_an_address_that_is_taken_is_really_written_to(
    http: FlaskClient, subscriptions: Served, body: Any, unique: str, address: str
) -> None:
    sent = body("subscription") | {"reference": unique, "email": address}
    answer = http.post(POST["subscriptions"], json=sent, headers=CALLER["subscriptions"])
    assert answer.status_code == 201, answer.get_data()
    made = answer.get_json()
    set_status(subscriptions, made["id"], "waiting_for_payment")
    url = f"{POST['subscriptions']}/{made['id']}/send_email"
    told = http.post(url, json={}, headers=CALLER["subscriptions"])
    assert told.status_code == 202, told.get_data()
    (row,) = read_messages(subscriptions, made["last_persisted_cart"]["id"])
    with mail_server() as (mailbox, port):
        server = MailServer("127.0.0.1", "noreply@optics.example", port, "none")
        server.send(build_message(row))
    (envelope,) = mailbox.envelopes
    assert (envelope.rcpt_tos, envelope.smtp_utf8) == ([address], True)


@pytest.mark.parametrize("address", ["a@b", ".a@example.com", "a b@example.com", "\u00e9@x"])
def test_one_that_cannot_be_written_to_is_refused(
    http: FlaskClient, subscriptions: Served, body: Any, unique: str, address: str
) -> None:
    before = subscriptions.rows()
    sent = body("subscription") | {"reference": unique, "email": address}
    answer = http.post(POST["subscriptions"], json=sent, headers=CALLER["subscriptions"])
    assert answer.status_code == 422
    assert [path for path, _ in read_faults("subscriptions", answer)] == ["email"]
    assert subscriptions.rows() == before
