"""CreateTrackingLink and GetTrackedOrder: what a patient may know, on both engines."""

import re
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from email import message_from_bytes
from email.policy import default
from pathlib import Path

import pytest
from grpc import StatusCode

from chassis.errors import Fault
from chassis.notices.channels import choose_channels
from chassis.notices.postman import Postman
from orders_svc.store.personal import QUEUE
from orders_svc.store.tracking import MAX_MESSAGES
from protos import orders_pb2 as pb
from tests.orders_svc.bodies import Body, put
from tests.orders_svc.life import add_lab
from tests.orders_svc.rpcs.test_get_order import create_order
from tests.orders_svc.rpcs.test_mark_order_ready import mark, read_link, read_messages
from tests.orders_svc.rpcs.test_update_order import WAYS, create_in_status
from tests.serving import Served

MOMENT = datetime(2026, 3, 1, 12, tzinfo=UTC)
LINK = re.compile(r"http://127\.0\.0\.1:8080/t/([A-Za-z0-9_-]{43})")
STATUSES = {
    "submitted": "ordered",
    "in_progress": "in_production",
    "on_hold": "in_production",
    "shipped": "shipped",
    "cancelled": "cancelled",
}


def track(orders: Served, url: str) -> pb.TrackedOrder:
    """What the patient's page knows; it needs no account."""
    found = LINK.fullmatch(url)
    assert found
    asked = pb.GetTrackedOrderRequest(code=found[1])
    tracked: pb.TrackedOrder = orders.call("GetTrackedOrder", asked, "", kind="Tracking")
    return tracked


@pytest.mark.parametrize("lab_status", WAYS)
def test_it_works(orders: Served, order: Body, lab_status: str) -> None:
    order_id = create_in_status(orders, order, lab_status)
    url = read_link(orders, order_id)
    expected = pb.TrackedOrder(first_name="Ada", status=STATUSES[lab_status])
    assert track(orders, url) == expected
    if lab_status == "shipped":
        mark(orders, order_id)
        assert track(orders, url).status == "ready_for_pickup"


def test_the_patient_learns_the_first_name_and_the_status_only() -> None:
    fields = [each.name for each in pb.TrackedOrder.DESCRIPTOR.fields]
    assert fields == ["first_name", "status"]


def test_an_order_has_one_link_that_no_other_has(orders: Served, order: Body) -> None:
    ids = [create_order(orders, order) for _ in range(2)]
    with ThreadPoolExecutor(8) as pool:
        links = list(pool.map(lambda at: read_link(orders, ids[at % 2]), range(16)))
    assert len(set(links[::2])) == len(set(links[1::2])) == 1
    assert len(set(links)) == 2


def test_a_pending_order_is_ordered_and_a_draft_has_no_link(
    orders: Served, order: Body, unique: str
) -> None:
    pending = create_order(orders, {**order, **add_lab(orders, unique, 5)})
    assert track(orders, read_link(orders, pending)).status == "ordered"
    draft = create_order(orders, {**order, "mode": "draft"})
    asked = pb.CreateTrackingLinkRequest(order_id=draft)
    assert orders.refusal("CreateTrackingLink", asked).reason == "WRONG_STATE"


@pytest.mark.parametrize("code", ["", " ", "\0", "x" * 43, "é" * 43, "x" * 9999, "ord_" + "0" * 24])
def test_an_unknown_code_is_not_found(orders: Served, code: str) -> None:
    asked = pb.GetTrackedOrderRequest(code=code)
    failure = orders.refusal("GetTrackedOrder", asked, "", kind="Tracking")
    assert (failure.code, failure.message) == (
        StatusCode.NOT_FOUND,
        "There is no such link.",
    )


def test_the_link_is_sent(orders: Served, order: Body, tmp_path: Path) -> None:
    """Through the channels that messages to shoppers take: here, into files."""
    order_id = create_order(orders, order)
    with orders.clock.at(MOMENT):
        url = read_link(orders, order_id, send=True)
    postman = Postman(orders.database, QUEUE, choose_channels({}, tmp_path))
    while postman.send_one():
        pass
    mails = [
        message_from_bytes(path.read_bytes(), policy=default)
        for path in (tmp_path / "messages").glob("*.eml")
    ]
    (mail,) = [each for each in mails if url in each.get_content()]
    assert (mail["To"], mail["Subject"]) == ("ada@example.com", "Your glasses")
    assert mail["From"] == "Your optician <optigate@localhost>"
    assert "Your glasses are ordered." in mail.get_content()
    assert "Example" not in mail.get_content()
    (kept,) = read_messages(orders, order_id)
    assert (kept.outcome, kept.content) == ("sent", None)


def test_a_patient_gets_five_mails_about_an_order(orders: Served, order: Body) -> None:
    order_id = create_order(orders, order)
    asked = pb.CreateTrackingLinkRequest(order_id=order_id, send=True)
    with ThreadPoolExecutor(8) as pool:
        sent = list(pool.map(lambda _: send(orders, asked), range(MAX_MESSAGES + 3)))
    assert sent.count("sent") == MAX_MESSAGES
    assert len(read_messages(orders, order_id)) == MAX_MESSAGES
    assert send(orders, asked) == "INVALID"
    assert track(orders, read_link(orders, order_id))


def send(orders: Served, asked: pb.CreateTrackingLinkRequest) -> str:
    """Ask for a mail; return what came of it."""
    try:
        orders.call("CreateTrackingLink", asked)
    except Exception:  # noqa: BLE001 - the refusal is read below
        return orders.refusal("CreateTrackingLink", asked).reason
    return "sent"


def test_without_an_address_nothing_is_sent(orders: Served, order: Body) -> None:
    put(order, "patient.email")
    order_id = create_order(orders, order)
    before = orders.rows()
    asked = pb.CreateTrackingLinkRequest(order_id=order_id, send=True)
    failure = orders.refusal("CreateTrackingLink", asked)
    message = "Must be false: there is no e-mail address, or the patient has had 5 mails."
    assert failure.faults == (Fault("send", message),)
    assert orders.rows() == before
