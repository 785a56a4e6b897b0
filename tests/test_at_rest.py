"""With encryption on, nothing of a patient is in a store, in its log or in a file of messages."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from google.protobuf.json_format import ParseDict
from sqlalchemy import text

from chassis.context import utc_now
from chassis.events.endpoints import EndpointSchema
from chassis.store.database import Database
from chassis.store.encryption.rotation import count_rows, rotate_table, truncate_log
from protos import orders_pb2, sessions_pb2, subscriptions_pb2
from sessions_svc.rules.statuses import Status, choose_event_type
from subscriptions_svc.notices.channels import choose_channels
from subscriptions_svc.notices.postman import Postman
from tests.orders_svc import bodies as order_bodies
from tests.serving import SERVICES, Served, build_keyring, get_definition, serve
from tests.sessions_svc import desk
from tests.subscriptions_svc import shop
from tests.subscriptions_svc.links import send

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
}
Run = Callable[[str, Callable[[Served], None]], bytes]
TRACED = "2511;2473;2283;1981"  # radii


@pytest.fixture
def run(store_url: Callable[[str, str], str], engine: str) -> Run:
    """Runs a story on an encrypted service, and returns all that its store holds then."""

    def play(service: str, story: Callable[[Served], None]) -> bytes:
        database = Database(store_url(service, engine), keyring=build_keyring("canary"))
        served = serve_with_endpoints(service, database)
        try:
            story(served)
            return dump(database)
        finally:
            served.stop()

    return play


def serve_with_endpoints(service: str, database: Database) -> Served:
    """Serve a store in which every owner has an endpoint, so that events are kept."""
    with database.write() as tx:
        for owner in ("demo-client", "demo-partner", "tienda_moderna"):
            endpoint = EndpointSchema([]).load({"url": "http://127.0.0.1:9/"})
            get_definition(service).outbox.endpoints.put(tx, owner, endpoint, utc_now())
    return serve(service, database)


def dump(database: Database) -> bytes:
    """Every byte of SQLite's files, or every row of PostgreSQL as `pg_dump` copies it."""
    if database.is_sqlite:
        folder = Path(database.url.database or "").parent
        return b"".join(path.read_bytes() for path in folder.iterdir())
    with database.read() as tx:
        names = tx.execute(
            text("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
        ).scalars()
        rows = [
            tx.execute(text(f'SELECT t::text FROM "{name}" t')).scalars().all() for name in names
        ]
    return "\n".join(row for some in rows for row in some).encode()


def find_planted(content: bytes) -> list[str]:
    """The planted strings that a content holds: as they are, or their bytes in hexadecimal.

    In any case, since words of a search are folded.
    """
    lower = content.lower()
    words = {
        word for planted in (*PLANTED.values(), TRACED) for word in (planted, *planted.split("-"))
    }
    return sorted(
        word
        for word in words
        if len(word) > 4
        and (word.lower().encode() in lower or word.encode().hex().encode() in lower)
    )


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
    tracing = body["frame"]["tracing"].replace("2500;2494;2287;1985", TRACED)
    order_bodies.put(body, "frame.tracing", tracing)
    return body


def play_orders(orders: Served) -> None:
    """An order is drafted, submitted, found and reviewed."""
    sent = order_bodies.request({**build_order(), "mode": "draft"})
    made = orders.call("CreateOrder", sent, idempotency_key="canary-1")
    assert orders.call("CreateOrder", sent, idempotency_key="canary-1") == made
    asked = orders_pb2.GetOrderRequest(order_id=made.id)
    draft = orders.call("GetOrder", asked)
    assert (draft.patient.last_name, draft.lab_status) == (PLANTED["last_name"], "draft")
    submit = orders_pb2.SubmitOrderRequest(order_id=made.id)
    submitted = orders.call("SubmitOrder", submit, idempotency_key="canary-2")
    assert submitted.patient == draft.patient
    assert submitted.traced == draft.traced
    for words in ("zebede", "quixley", "frobnitz zebed"):
        found = orders.call(
            "SearchOrders", orders_pb2.SearchOrdersRequest(text=words), kind="Dashboard"
        )
        assert [each.patient for each in found.data] == ["Zebedee Quixley-Frobnitz"], words
    asked_review = orders_pb2.GetReviewRequest(order_id=made.id)
    review = orders.call("GetReview", asked_review, kind="Dashboard")
    assert review.order == submitted


def test_orders(run: Run) -> None:
    content = run("orders", play_orders)
    assert b"ord_" in content
    assert find_planted(content) == []


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
    desk.bring(sessions, "acuity", Status.COMPLETED, user=user)
    assert desk.get_session(sessions, "acuity").data.visual_acuity.correction == "glasses"
    with sessions.database.read() as tx:
        stored = tx.execute(text("SELECT count(*) FROM outbox")).scalar_one()
    assert stored


def test_sessions(run: Run) -> None:
    assert choose_event_type(Status.APPROVED)
    content = run("sessions", play_sessions)
    assert b"canary" in content
    assert find_planted(content) == []


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
    while Postman(
        subscriptions.database,
        choose_channels({}, folder, subscriptions.database.keyring),
    ).send_one():
        pass
    send(subscriptions, "SendSms", made.id)  # and waits


def test_subscriptions(run: Run, body: Any, tmp_path: Path) -> None:
    content = run("subscriptions", lambda served: play_subscriptions(served, body, tmp_path))
    files = list((tmp_path / "messages").iterdir())
    assert sorted(path.suffixes[0] for path in files) == [".eml", ".txt"]
    assert {path.suffix for path in files} == {".sealed"}
    content += b"".join(path.name.encode() + path.read_bytes() for path in files)
    assert b"tienda_moderna" in content
    assert find_planted(content) == []


def test_the_walk_finds_what_is_plain(
    store_url: Callable[[str, str], str], engine: str, body: Any
) -> None:
    served = serve("orders", Database(store_url("orders", engine)))
    try:
        served.call("CreateOrder", order_bodies.request(build_order()))
        found = find_planted(dump(served.database))
    finally:
        served.stop()
    assert {PLANTED["first_name"], PLANTED["email"], PLANTED["city"], "Frobnitz", TRACED} <= set(
        found
    )


@pytest.mark.parametrize("service", SERVICES)
def test_a_store_of_before_is_encrypted_by_a_rotation(
    store_url: Callable[[str, str], str], engine: str, body: Any, tmp_path: Path, service: str
) -> None:
    url, definition = store_url(service, engine), get_definition(service)
    plays: dict[str, Callable[[Served], None]] = {
        "orders": play_orders,
        "sessions": play_sessions,
        "subscriptions": lambda served: play_subscriptions(served, body, tmp_path),
    }
    served = serve_with_endpoints(service, Database(url))
    plays[service](served)
    before = served.rows()
    served.stop()
    database = Database(url, keyring=build_keyring("canary"))
    assert database.keyring is not None
    for personal in definition.personal:
        rotate_table(database, personal, database.keyring)
    assert count_rows(database, definition.personal).keys() == {"canary"}
    if database.is_sqlite:  # what was deleted before is in its free pages
        with database.engine.connect() as tx:
            tx.exec_driver_sql("VACUUM")
    truncate_log(database)
    assert find_planted(dump(database)) == []
    served = serve(service, database)
    try:
        after = served.rows()
        for name in ("name_words", "subscription_words"):
            before.pop(name, None), after.pop(name, None)
        if service == "orders":  # the folded names are hashed words now
            assert [row[:-2] for row in after["orders"]] == [row[:-2] for row in before["orders"]]
            del before["orders"], after["orders"]
        assert after == before
        find_again(served)
    finally:
        served.stop()


def find_again(served: Served) -> None:
    """Find what a story has made, by its hashed words."""
    if served.name == "orders":
        asked = orders_pb2.SearchOrdersRequest(text="frobni zebede")
        assert len(served.call("SearchOrders", asked, kind="Dashboard").data) == 1
    if served.name == "subscriptions":
        listed = subscriptions_pb2.ListSubscriptionsRequest(search="frobni zebede 0770")
        assert len(served.call("ListSubscriptions", listed).data) == 1
