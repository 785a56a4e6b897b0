"""LogIn: sessions that act as their user, and attempts that are counted."""

import hashlib
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from werkzeug.security import generate_password_hash

from chassis.context import utc_now
from orders_svc import reference
from orders_svc.actions import log_in as action
from orders_svc.rules.dashboard import ATTEMPT_WINDOW, MAX_ATTEMPTS, SESSION_LIFETIME
from orders_svc.store import tables
from protos import orders_pb2 as pb
from tests.orders_svc.bodies import Body, request
from tests.serving import Failure, Served

OPTICIAN, PASSWORD = "optician@example.com", "demo-password"
WRONG = ("UNAUTHENTICATED", action.WRONG_CREDENTIALS_TEXT)
OVER = ("UNAUTHENTICATED", "The session is over; log in again.")


def build_login(email: str = OPTICIAN, password: str = PASSWORD, **more: str) -> pb.LogInRequest:
    """A login, from an address that no other test uses."""
    return pb.LogInRequest(email=email, password=password, **{"address": uuid4().hex, **more})


def log_in(orders: Served, email: str = OPTICIAN, **more: str) -> str:
    """The authorization of a new session."""
    sent = build_login(email, **more)
    token: str = orders.call("LogIn", sent, "", kind="Dashboard").token
    return f"Session {token}"


def get_refusal(orders: Served, sent: pb.LogInRequest) -> tuple[str, str]:
    """Return the reason and the text of a refused login."""
    return describe(orders.refusal("LogIn", sent, "", kind="Dashboard"))


def describe(failure: Failure) -> tuple[str, str]:
    """Reason and text."""
    return failure.reason, failure.message


def list_labs(orders: Served, authorization: str, **metadata: Any) -> list[str]:
    """The labs that a session sees."""
    metadata["authorization"] = authorization
    return [lab.id for lab in orders.call("ListLabs", pb.ListLabsRequest(), "", **metadata).data]


def is_ended(orders: Served, authorization: str) -> bool:
    """Whether a session is over."""
    try:
        failure = orders.refusal("ListLabs", pb.ListLabsRequest(), "", authorization=authorization)
    except AssertionError:
        return False
    assert describe(failure) == OVER
    return True


@pytest.fixture
def user(orders: Served, unique: str) -> str:
    """The e-mail address of a user of this test's own, who sees lab_456."""
    email = f"{unique}@example.com"
    put(orders, email)
    return email


def put(orders: Served, email: str, password: str = PASSWORD, account: str = "demo-client") -> None:
    """Load a user of lab_456."""
    labs = [{"lab": "lab_456", "account_number": "7654321"}]
    user = {"email": email, "account": account, "password": password, "labs": labs}
    loaded = reference.REFERENCE.load({"users": [user]})
    with orders.database.write() as tx:
        reference.load(tx, loaded)


def test_it_works(orders: Served) -> None:
    with orders.clock.at(utc_now()):
        answer = orders.call("LogIn", build_login(), "", kind="Dashboard")
        assert answer.expires == int((orders.clock() + SESSION_LIFETIME).timestamp())
    session = f"Session {answer.token}"
    assert list_labs(orders, session) == ["lab_123", "lab_456"]
    orders.call("LogOut", pb.LogOutRequest(), "", kind="Dashboard", authorization=session)
    assert is_ended(orders, session)


def test_of_a_session_only_a_hash_is_kept(orders: Served) -> None:
    token = log_in(orders).partition(" ")[2]
    rows = repr(orders.rows()["dashboard_sessions"])
    assert token not in rows
    assert hashlib.sha256(token.encode()).hexdigest() in rows


def test_a_session_is_another_one_each_time(orders: Served) -> None:
    first, second = log_in(orders), log_in(orders)
    assert first != second
    assert not is_ended(orders, first)


def test_a_session_stands_for_its_user_whoever_else_is_named(orders: Served, user: str) -> None:
    session = log_in(orders, user)
    for other in (OPTICIAN, "stranger@example.org", ""):
        assert list_labs(orders, session, user_email=other) == ["lab_456"]


def test_a_session_is_over_after_its_time(orders: Served) -> None:
    session, now = log_in(orders), utc_now()
    with orders.clock.at(now + SESSION_LIFETIME - timedelta(minutes=1)):
        assert not is_ended(orders, session)
    with orders.clock.at(now + SESSION_LIFETIME + timedelta(minutes=1)):
        assert is_ended(orders, session)
        log_in(orders)
        token_hash = hashlib.sha256(session.partition(" ")[2].encode()).hexdigest()
        assert token_hash not in repr(orders.rows()["dashboard_sessions"])


def test_a_session_that_is_replaced_is_over(orders: Served) -> None:
    first = log_in(orders)
    log_in(orders, replaces=first.partition(" ")[2])
    assert is_ended(orders, first)


def test_another_password_ends_every_session(orders: Served, user: str) -> None:
    session = log_in(orders, user)
    put(orders, user)
    assert not is_ended(orders, session)
    put(orders, user, "another-password")
    assert is_ended(orders, session)
    assert get_refusal(orders, build_login(user)) == WRONG
    log_in(orders, user, password="another-password")


def test_a_user_of_a_revoked_client_is_out_and_stays_out(orders: Served, unique: str) -> None:
    name, email = f"shop-{unique}", f"{unique}@shop.example"
    with orders.database.write() as tx:
        tables.accounts.add(tx, name, "client")
    put(orders, email, account=name)
    session = log_in(orders, email)
    with orders.database.write() as tx:
        tables.accounts.revoke(tx, name, utc_now())
    assert is_ended(orders, session)
    assert get_refusal(orders, build_login(email)) == WRONG


@pytest.mark.parametrize(
    ("email", "password"),
    [
        (OPTICIAN, "wrong"),
        (OPTICIAN, ""),
        ("nobody@example.com", PASSWORD),
        ("", ""),
        ("' OR 1=1 --", PASSWORD),
    ],
)
def test_a_failed_login_does_not_say_what_was_wrong(
    orders: Served, email: str, password: str
) -> None:
    assert get_refusal(orders, build_login(email, password)) == WRONG


def test_for_nobody_a_password_is_checked_too(
    orders: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    checked: list[str] = []

    def check(known: str, password: str) -> bool:
        checked.append(known.rpartition("$")[0].rpartition("$")[0])
        return False

    monkeypatch.setattr("werkzeug.security.check_password_hash", check)
    for email in (OPTICIAN, "nobody@example.com"):
        assert get_refusal(orders, build_login(email, "wrong")) == WRONG
    method = generate_password_hash("x").rpartition("$")[0].rpartition("$")[0]
    assert checked == [method, method]
    assert method.startswith("scrypt:")


def test_an_email_has_ten_attempts_and_then_the_right_password_helps_no_more(
    orders: Served, user: str
) -> None:
    now = utc_now()
    wait = ("TOO_MANY_ATTEMPTS", action.TOO_MANY_ATTEMPTS_TEXT)
    with orders.clock.at(now):
        for _ in range(MAX_ATTEMPTS["email"]):
            assert get_refusal(orders, build_login(user, "wrong"))[0] == "UNAUTHENTICATED"
        assert get_refusal(orders, build_login(user)) == wait
        assert get_refusal(orders, build_login(user.upper())) == wait
        log_in(orders)
    with orders.clock.at(now + ATTEMPT_WINDOW - timedelta(seconds=1)):
        assert get_refusal(orders, build_login(user)) == wait
    with orders.clock.at(now + ATTEMPT_WINDOW):
        log_in(orders, user)


def test_unknown_addresses_are_throttled_like_users(orders: Served, unique: str) -> None:
    email = f"{unique}@nowhere.example"
    reasons = [get_refusal(orders, build_login(email))[0] for _ in range(MAX_ATTEMPTS["email"] + 1)]
    assert reasons == ["UNAUTHENTICATED"] * MAX_ATTEMPTS["email"] + ["TOO_MANY_ATTEMPTS"]


def test_a_successful_login_resets_the_count(orders: Served, user: str) -> None:
    for _ in range(2):
        for _ in range(MAX_ATTEMPTS["email"] - 1):
            get_refusal(orders, build_login(user, "wrong"))
        log_in(orders, user)


def test_an_address_has_fifty_attempts_and_those_that_succeed_do_not_count(
    orders: Served, monkeypatch: pytest.MonkeyPatch, unique: str
) -> None:
    monkeypatch.setitem(MAX_ATTEMPTS, "address", 5)
    for _ in range(6):
        log_in(orders, address=unique)
    for number in range(5):
        assert (
            get_refusal(orders, build_login(f"{unique}{number}", address=unique))[0]
            == "UNAUTHENTICATED"
        )
    for _ in range(MAX_ATTEMPTS["email"] + 1):
        assert get_refusal(orders, build_login(address=unique))[0] == "TOO_MANY_ATTEMPTS"
    log_in(orders)


def test_attempts_at_once_are_all_counted(orders: Served, user: str) -> None:
    with ThreadPoolExecutor(8) as pool:
        reasons = list(
            pool.map(lambda _: get_refusal(orders, build_login(user, "wrong"))[0], range(16))
        )
    assert reasons.count("UNAUTHENTICATED") == MAX_ATTEMPTS["email"]
    assert reasons.count("TOO_MANY_ATTEMPTS") == 16 - MAX_ATTEMPTS["email"]


def test_of_attempts_no_address_is_kept(orders: Served, unique: str) -> None:
    get_refusal(orders, build_login(f"{unique}@example.com", address=f"10.{unique}"))
    assert unique not in repr(orders.rows()["login_attempts"])


def test_a_login_too_long_to_be_one_is_refused_by_name(orders: Served) -> None:
    for sent in (build_login("x" * 255, "y" * 256), build_login("x\0", "y\0")):
        failure = orders.refusal("LogIn", sent, "", kind="Dashboard")
        assert [fault.path for fault in failure.faults] == ["email", "password"]


def test_a_session_orders_and_submits_as_its_user(orders: Served, order: Body, user: str) -> None:
    session = log_in(orders)
    made = orders.call("CreateOrder", request(order, mode="draft"), "", authorization=session)
    asked_for = pb.SubmitOrderRequest(order_id=made.id)
    theirs = log_in(orders, user)
    for authorization, reason in ((theirs, "NOT_FOUND"), ("Session x", "UNAUTHENTICATED")):
        failure = orders.refusal("SubmitOrder", asked_for, "", authorization=authorization)
        assert failure.reason == reason
    sent = orders.call("SubmitOrder", asked_for, "", authorization=session)
    assert sent.lab_status == "submitted"


def test_a_session_may_not_what_labs_may(orders: Served) -> None:
    session = log_in(orders)
    asked_for = pb.ListLabOrdersRequest(lab="lab_123")
    failure = orders.refusal("ListLabOrders", asked_for, "", desk=True, authorization=session)
    assert failure.reason == "FORBIDDEN"
