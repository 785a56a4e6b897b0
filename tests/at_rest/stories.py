"""What is played on a service with planted texts in every field of a patient."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from google.protobuf.json_format import ParseDict
from sqlalchemy import text

from chassis.context import utc_now
from chassis.events.endpoints import EndpointSchema
from chassis.notices.channels import choose_channels
from chassis.notices.postman import Postman
from chassis.store.database import Database
from orders_svc.store.personal import QUEUE as ORDERS_QUEUE
from protos import orders_pb2, sessions_pb2, subscriptions_pb2
from sessions_svc.rules.statuses import Status
from subscriptions_svc.store.messages import QUEUE as SUBSCRIPTIONS_QUEUE
from tests.orders_svc import bodies as order_bodies
from tests.orders_svc.rpcs.test_answer_cancel_request import answer
from tests.orders_svc.rpcs.test_cancel_order import cancel
from tests.orders_svc.rpcs.test_create_tracking_link import track
from tests.orders_svc.rpcs.test_duplicate_order import duplicate
from tests.orders_svc.rpcs.test_get_order import fetch_order
from tests.orders_svc.rpcs.test_mark_order_ready import mark, read_link
from tests.orders_svc.rpcs.test_replace_order import replace
from tests.orders_svc.rpcs.test_update_order import move
from tests.serving import Served, get_definition, serve
from tests.sessions_svc import desk
from tests.subscriptions_svc import shop
from tests.subscriptions_svc.links import send
from tests.subscriptions_svc.rpcs.test_create_warranty_event import CART, build_event

# Nothing of the demo data contains them. Each is a text that its field accepts.
PLANTED = {
    "first_name": "Zebedee",
    "last_name": "Quixley-Frobnitz",
    "email": "zq.canary@example.net",
    "phone": "699700770",
    "address": "Xanadu Road 77",
    "city": "Xanaduville",
    "postal_code": "XQ7-7QX",
    "note": "Jabberwock instruction",
    "redirect": "Snarkish",
    "born": "1987-07-27",
    "nin": "77777777B",
    "nin_control": "8707279F",
    "file": "%PDF-Bandersnatch",
    "sphere": "-7.77",
    "lab_word": "Bandicoot at the lab",
    "answer": "Wombatlike refusal",
    "reason": "Platypus scratches",
    "warranty": "Capybara accident",
    "cancelled": "Axolotl moved away",
}
TRACED = "2495;2494;2493;2490"  # radii
START = datetime(2026, 3, 1, 12, tzinfo=UTC)


def serve_with_endpoints(service: str, database: Database) -> Served:
    """Serve a store in which every owner has an endpoint, so that events are kept."""
    with database.write() as tx:
        for owner in ("demo-client", "demo-partner", "tienda_moderna"):
            endpoint = EndpointSchema([]).load({"url": "http://127.0.0.1:9/"})
            get_definition(service).outbox.endpoints.put(tx, owner, endpoint, utc_now())
    return serve(service, database)


def play(served: Served, body: Any, folder: Path) -> None:
    """Play the story of a service; its files of messages are in a folder."""
    if served.name == "orders":
        play_orders(served, folder)
    elif served.name == "sessions":
        play_sessions(served)
    else:
        play_subscriptions(served, body, folder)


def build_order() -> Any:
    """The example order with planted texts in every field that a person fills."""
    body = order_bodies.example()
    body["patient"] = {
        "first_name": PLANTED["first_name"],
        "last_name": PLANTED["last_name"],
        "email": PLANTED["email"],
        "phone_number": PLANTED["phone"],
    }
    order_bodies.put(body, "special_instructions", PLANTED["note"])
    order_bodies.put(body, "rx.left_eye.sphere", float(PLANTED["sphere"]))
    order_bodies.put(body, "shipping.name", PLANTED["first_name"])
    order_bodies.put(body, "shipping.address.line1", PLANTED["address"])
    order_bodies.put(body, "shipping.address.city", PLANTED["city"])
    tracing = body["frame"]["tracing"].replace("2496;2494;2492;2490", TRACED)
    assert TRACED in tracing
    order_bodies.put(body, "frame.tracing", tracing)
    return body


def play_orders(orders: Served, folder: Path) -> None:
    """An order is drafted, edited, submitted, found, reviewed, and lives on at its lab."""
    sent = order_bodies.request({**build_order(), "mode": "draft"})
    made = orders.call("CreateOrder", sent, idempotency_key="canary-1")
    assert orders.call("CreateOrder", sent, idempotency_key="canary-1") == made
    draft = fetch_order(orders, made.id)
    assert (draft.patient.last_name, draft.lab_status) == (PLANTED["last_name"], "draft")
    replace(orders, made.id, {**build_order(), "mode": "draft", "special_instructions": "None"})
    replaced = replace(orders, made.id, {**build_order(), "mode": "draft"})
    assert replaced.patient == draft.patient
    submit = orders_pb2.SubmitOrderRequest(order_id=made.id)
    submitted = orders.call("SubmitOrder", submit, idempotency_key="canary-2")
    assert (submitted.patient, submitted.traced) == (draft.patient, draft.traced)
    for words in ("zebede", "quixley", "frobnitz zebed"):
        asked = orders_pb2.SearchOrdersRequest(text=words)
        found = orders.call("SearchOrders", asked, kind="Dashboard")
        assert [each.patient for each in found.data] == ["Zebedee Quixley-Frobnitz"], words
    asked_review = orders_pb2.GetReviewRequest(order_id=made.id)
    review = orders.call("GetReview", asked_review, kind="Dashboard")
    assert review.order == submitted
    play_life(orders, made.id, folder)


def play_life(orders: Served, order_id: str, folder: Path) -> None:
    """The lab will not cancel it, and ships it; the patient is told, and it is redone."""
    cancel(orders, order_id)
    answer(orders, order_id, accepted=False, reason=PLANTED["answer"])
    move(orders, order_id, "in_progress", lab_word=PLANTED["lab_word"])
    move(orders, order_id, "shipped")
    assert track(orders, read_link(orders, order_id, send=True)).first_name == PLANTED["first_name"]
    post(orders, folder)
    mark(orders, order_id)  # and the mail about that waits
    reason = orders_pb2.RedoReason(type="Remake", reason=PLANTED["reason"])
    made = duplicate(orders, order_id, submission_type="redo", redo_data=reason)
    found = fetch_order(orders, order_id)
    assert found.cancellation.reason == PLANTED["answer"]
    assert PLANTED["lab_word"] in {each.lab_word for each in found.history}
    assert list(found.redone_by) == [made.id]
    assert fetch_order(orders, made.id).redo_data.reason == PLANTED["reason"]


def play_sessions(sessions: Served) -> None:
    """A session is approved with a file, another one completed."""
    user = {
        "email": PLANTED["email"],
        "first_name": PLANTED["first_name"],
        "last_name": PLANTED["last_name"],
        "birthdate": PLANTED["born"],
        "region": "US-IL",
    }
    eye = {"sphere": -7.75, "pupillary_distance": 30.0}
    given = {"type": "glasses", "right_eye": eye, "left_eye": eye, "verification": "unverified"}
    dispensed = {**desk.build_dispensed_glasses(), "issue_date": PLANTED["born"]}
    info = json.dumps({"note": PLANTED["note"]})
    fields = {"user": user, "partner_info": info, "prescriptions": [given]}
    key = "canary"
    desk.bring(sessions, key, Status.AWAITING_REVIEW, **fields)
    approve = desk.build_request(
        "Approve", key, dispensed_prescriptions=[dispensed], source=PLANTED["file"].encode()
    )
    sessions.call("Approve", approve, "staff", desk=True, idempotency_key="canary-1")
    got = desk.get_session(sessions, key)
    (prescription,) = got.data.dispensed_prescriptions
    assert prescription.issue_date == PLANTED["born"]
    assert prescription.assets[0].source == PLANTED["file"].encode()
    record = sessions.call(
        "GetSessionRecord", desk.build_request("GetSessionRecord", key), "staff", desk=True
    )
    assert record.user == ParseDict(user, sessions_pb2.User())
    assert record.partner_info == info
    desk.bring(sessions, "asked", Status.AWAITING_CONFIRMATION, user=user)
    link = sessions_pb2.CreateAuthenticationRequest(
        user_key="asked",
        session_key="asked",
        redirect_url=f"https://partner.example/?{PLANTED['redirect']}",
    )
    made = sessions.call("CreateAuthentication", link, idempotency_key="canary-2")
    assert sessions.call("CreateAuthentication", link, idempotency_key="canary-2") == made
    desk.bring(sessions, "acuity", Status.COMPLETED, user=user)
    assert desk.get_session(sessions, "acuity").data.visual_acuity.correction == "glasses"
    with sessions.database.read() as tx:
        stored = tx.execute(text("SELECT count(*) FROM outbox")).scalar_one()
    assert stored


def play_subscriptions(subscriptions: Served, body: Any, folder: Path) -> None:
    """A subscription is made, found, and written to."""
    person = {
        "given_names": PLANTED["first_name"],
        "surnames": PLANTED["last_name"],
        "mobile_phone": PLANTED["phone"],
        "email": PLANTED["email"],
        "date_of_birth": PLANTED["born"],
        "nin": PLANTED["nin"],
        "nin_control": PLANTED["nin_control"],
        "address": PLANTED["address"],
        "postal_code": PLANTED["postal_code"],
        "city": PLANTED["city"],
    }
    request = shop.build_solicitation(body, **person)
    made = subscriptions.call("CreateSubscription", request, idempotency_key="canary-1")
    assert made.customer.full_name == f"{PLANTED['first_name']} {PLANTED['last_name']}"
    again = subscriptions.call("CreateSubscription", request, idempotency_key="canary-1")
    assert again == made
    phone = ("0770", "699700", "699700770", "699 700 770", "699-70")
    for words in ("zebede", "quixley frob", *phone, made.reference):
        listed = subscriptions_pb2.ListSubscriptionsRequest(search=words)
        found = subscriptions.call("ListSubscriptions", listed)
        assert [each.id for each in found.data] == [made.id], words
    shop.set_status(subscriptions, made.id, "waiting_for_payment")
    for rpc in ("SendEmail", "SendSms"):
        send(subscriptions, rpc, made.id)
    post(subscriptions, folder)
    send(subscriptions, "SendSms", made.id)  # and waits
    play_end(subscriptions, body, person)


def play_end(subscriptions: Served, body: Any, person: Any) -> None:
    """Another one becomes the shopper's, has a warranty event, and is cancelled."""
    made = shop.create_activated(subscriptions, body, START, cart_items=CART[:1])
    update = subscriptions_pb2.UpdateCustomerInfoRequest(subscription_id=made.id, **person)
    with subscriptions.clock.at(START):
        subscriptions.call("UpdateCustomerInfo", update, idempotency_key="canary-2")
    listed = subscriptions_pb2.ListSubscriptionsRequest(search=f"zebede 0770 {made.reference}")
    found = subscriptions.call("ListSubscriptions", listed)
    assert [each.id for each in found.data] == [made.id]
    with subscriptions.clock.at(START):
        shop.pay(subscriptions, made.id)
        item = shop.get(subscriptions, made.id).last_persisted_cart.cart_items[0]
        said = {"name": PLANTED["warranty"], "description": PLANTED["warranty"]}
        subscriptions.call("CreateWarrantyEvent", build_event(made, item, **said))
        ending = shop.build_ending(shop.get(subscriptions, made.id))
        ending.reason = PLANTED["cancelled"]
        subscriptions.call("CancelSubscription", ending)


def post(served: Served, folder: Path) -> None:
    """Send what waits, into files of a folder."""
    queue = ORDERS_QUEUE if served.name == "orders" else SUBSCRIPTIONS_QUEUE
    channels = choose_channels({}, folder, served.database.keyring)
    while Postman(served.database, queue, channels).send_one():
        pass
