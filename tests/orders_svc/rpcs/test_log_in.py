"""LogIn: sessions that act as their user, and attempts that are counted."""

import hashlib
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest

from chassis.context import utc_now
from orders_svc import reference
from orders_svc.actions import log_in as action
from orders_svc.rules.dashboard import (
    ATTEMPT_WINDOW,
    DEVICE_LIFETIME,
    MAX_ATTEMPTS,
    MAX_DEVICES,
    SESSION_LIFETIME,
)
from orders_svc.store import tables
from orders_svc.store.access import users
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
    return f"Session {begin(orders, email, **more).token}"


def begin(orders: Served, email: str = OPTICIAN, **more: str) -> pb.DashboardSession:
    """A new session."""
    session: pb.DashboardSession = orders.call(
        "LogIn", build_login(email, **more), "", kind="Dashboard"
    )
    return session


def fail(orders: Served, email: str, times: int = 1, **more: str) -> list[str]:
    """Try to log in with a wrong password; return the reasons."""
    sent = build_login(email, "wrong", **more)
    return [get_refusal(orders, sent)[0] for _ in range(times)]


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
        assert answer.device_expires == int((orders.clock() + DEVICE_LIFETIME).timestamp())
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
    method = users.hash_password("x").rpartition("$")[0].rpartition("$")[0]
    assert checked == [method, method]
    assert method.startswith("scrypt:")


def test_a_user_has_ten_attempts_from_an_address_and_then_the_right_password_helps_no_more(
    orders: Served, user: str, unique: str
) -> None:
    now = utc_now()
    wait = ("TOO_MANY_ATTEMPTS", action.TOO_MANY_ATTEMPTS_TEXT)
    with orders.clock.at(now):
        for _ in range(MAX_ATTEMPTS["user"]):
            assert fail(orders, user, address=unique) == ["UNAUTHENTICATED"]
        assert get_refusal(orders, build_login(user, address=unique)) == wait
        assert get_refusal(orders, build_login(user.upper(), address=unique)) == wait
        log_in(orders, address=unique)
    with orders.clock.at(now + ATTEMPT_WINDOW - timedelta(seconds=1)):
        assert get_refusal(orders, build_login(user, address=unique)) == wait
    with orders.clock.at(now + ATTEMPT_WINDOW):
        log_in(orders, user, address=unique)


def test_attempts_from_elsewhere_lock_nobody_out(orders: Served, user: str, unique: str) -> None:
    strangers = [f"{unique}{number}" for number in range(3)]
    for stranger in strangers:
        fail(orders, user, MAX_ATTEMPTS["user"] + 1, address=stranger)
    log_in(orders, user, address=unique)
    for stranger in strangers:
        assert fail(orders, user, address=stranger) == ["TOO_MANY_ATTEMPTS"]


def test_a_device_of_a_former_login_passes_where_its_address_is_locked(
    orders: Served, user: str, unique: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    device = begin(orders, user).device
    fail(orders, user, MAX_ATTEMPTS["user"] + 1, address=unique)
    monkeypatch.setitem(MAX_ATTEMPTS, "address", 1)
    for email in (user, OPTICIAN):
        assert fail(orders, email, address=unique) == ["TOO_MANY_ATTEMPTS"]
    again = begin(orders, user, address=unique, device=device)
    assert again.device == device
    # For another user, and in other hands, it is worth nothing.
    for email, known in ((OPTICIAN, device), (user, "x" * 43), (user, ""), (user, "\u00e9")):
        sent = build_login(email, address=unique, device=known)
        assert get_refusal(orders, sent)[0] == "TOO_MANY_ATTEMPTS"


def test_a_session_of_the_user_passes_where_its_address_is_locked(
    orders: Served, user: str, unique: str
) -> None:
    session, other = begin(orders, user), begin(orders)
    fail(orders, user, MAX_ATTEMPTS["user"] + 1, address=unique)
    stranger = build_login(user, address=unique, replaces=other.token)
    assert get_refusal(orders, stranger)[0] == "TOO_MANY_ATTEMPTS"
    assert not is_ended(orders, f"Session {other.token}")
    log_in(orders, user, address=unique, replaces=session.token)
    ended = build_login(user, address=unique, replaces=session.token)
    assert get_refusal(orders, ended)[0] == "TOO_MANY_ATTEMPTS"


def test_a_device_has_ten_attempts_of_its_own(orders: Served, user: str, unique: str) -> None:
    device = begin(orders, user).device
    reasons = fail(orders, user, MAX_ATTEMPTS["device"] + 1, device=device, address=unique)
    assert reasons == ["UNAUTHENTICATED"] * MAX_ATTEMPTS["device"] + ["TOO_MANY_ATTEMPTS"]
    # They were not counted for the address: from there, without the device, there are ten more.
    log_in(orders, user, address=unique)
    fail(orders, user, MAX_ATTEMPTS["device"], address=unique)


def test_several_users_share_a_device(orders: Served, user: str, unique: str) -> None:
    device = begin(orders, user).device
    assert begin(orders, OPTICIAN, device=device).device == device
    for email in (user, OPTICIAN):
        fail(orders, email, MAX_ATTEMPTS["user"] + 1, address=unique)
        log_in(orders, email, address=unique, device=device)


def test_a_device_is_forgotten_after_its_time_and_with_another_password(
    orders: Served, user: str, unique: str
) -> None:
    now = utc_now()
    with orders.clock.at(now):
        device = begin(orders, user).device
    with orders.clock.at(now + DEVICE_LIFETIME - timedelta(minutes=1)):
        fail(orders, user, MAX_ATTEMPTS["user"] + 1, address=unique)
        assert begin(orders, user, address=unique, device=device).device == device
    with orders.clock.at(now + 2 * DEVICE_LIFETIME):
        fail(orders, user, MAX_ATTEMPTS["user"] + 1, address=unique)
        sent = build_login(user, address=unique, device=device)
        assert get_refusal(orders, sent)[0] == "TOO_MANY_ATTEMPTS"
        later = begin(orders, user, device=device).device
        assert later != device
        put(orders, user, "another-password")
        sent = build_login(user, "another-password", address=unique, device=later)
        assert get_refusal(orders, sent)[0] == "TOO_MANY_ATTEMPTS"


def test_of_a_device_only_a_hash_is_kept_and_of_many_the_newest(orders: Served, user: str) -> None:
    now = utc_now()
    made = []
    for minute in range(MAX_DEVICES + 2):
        with orders.clock.at(now + timedelta(minutes=minute)):
            made.append(begin(orders, user).device)
    rows = repr(orders.rows()["login_devices"])
    kept = [hashlib.sha256(each.encode()).hexdigest() in rows for each in made]
    assert kept == [False] * 2 + [True] * MAX_DEVICES
    assert not any(each in rows for each in made)


def test_unknown_addresses_are_throttled_like_users(orders: Served, unique: str) -> None:
    email = f"{unique}@nowhere.example"
    sent = build_login(email, address=unique)
    reasons = [get_refusal(orders, sent)[0] for _ in range(MAX_ATTEMPTS["user"] + 1)]
    assert reasons == ["UNAUTHENTICATED"] * MAX_ATTEMPTS["user"] + ["TOO_MANY_ATTEMPTS"]


def test_a_successful_login_resets_the_count(orders: Served, user: str, unique: str) -> None:
    for _ in range(2):
        for _ in range(MAX_ATTEMPTS["user"] - 1):
            get_refusal(orders, build_login(user, "wrong", address=unique))
        log_in(orders, user, address=unique)


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
    for _ in range(MAX_ATTEMPTS["user"] + 1):
        assert get_refusal(orders, build_login(address=unique))[0] == "TOO_MANY_ATTEMPTS"
    log_in(orders)


def test_attempts_at_once_are_all_counted(orders: Served, user: str, unique: str) -> None:
    sent = build_login(user, "wrong", address=unique)
    with ThreadPoolExecutor(8) as pool:
        reasons = list(pool.map(lambda _: get_refusal(orders, sent)[0], range(16)))
    assert reasons.count("UNAUTHENTICATED") == MAX_ATTEMPTS["user"]
    assert reasons.count("TOO_MANY_ATTEMPTS") == 16 - MAX_ATTEMPTS["user"]


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
