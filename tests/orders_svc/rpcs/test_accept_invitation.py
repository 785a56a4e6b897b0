"""AcceptInvitation and GetInvitation: one user, one link, one use."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import grpc
import pytest

from chassis.context import utc_now
from orders_svc.rules.credentials.passwords import INVITATION_LIFETIME
from orders_svc.store.access.invitations import invite_user
from orders_svc.store.access.users import NO_PASSWORD, add_user
from orders_svc.store.tables import accounts
from protos import orders_pb2 as pb
from tests.serving import Served

PASSWORD = "four random words together"
UNKNOWN = "This link is unknown, was used or has expired; ask for another one."


@pytest.fixture
def email(unique: str) -> str:
    return f"{unique}@example.com"


@pytest.fixture
def token(orders: Served, email: str) -> str:
    """The token of an invitation of a new user."""
    with orders.database.write() as tx:
        user_id = add_user(tx, accounts.ids(tx)["demo-client"], email, NO_PASSWORD)
        return invite_user(tx, user_id, utc_now())


def build(token: str, password: str = PASSWORD) -> pb.AcceptInvitationRequest:
    return pb.AcceptInvitationRequest(token=token, password=password)


def call(orders: Served, message: object) -> str:
    """The e-mail address that is answered."""
    rpc = type(message).__name__.removesuffix("Request")
    email: str = orders.call(rpc, message, "", kind="Dashboard").email
    return email


def log_in(orders: Served, email: str, password: str) -> str:
    sent = pb.LogInRequest(email=email, password=password, address=email)
    token: str = orders.call("LogIn", sent, "", kind="Dashboard").token
    return token


def test_it_works(orders: Served, token: str, email: str) -> None:
    for _ in range(2):  # a mail scanner opens links, too
        assert call(orders, pb.GetInvitationRequest(token=token)) == email
    assert call(orders, build(token)) == email
    assert log_in(orders, email, PASSWORD)


def test_it_is_used_once(orders: Served, token: str) -> None:
    call(orders, build(token))
    for message in (build(token, "another password"), pb.GetInvitationRequest(token=token)):
        rpc = type(message).__name__.removesuffix("Request")
        refused = orders.refusal(rpc, message, "", kind="Dashboard")
        assert (refused.reason, refused.message) == ("NOT_FOUND", UNKNOWN)


@pytest.mark.parametrize("sent", ["", "unknown", "x" * 10_000, "\u00fc"])
def test_an_unknown_token_opens_nothing(orders: Served, sent: str) -> None:
    before = orders.rows()
    for message in (build(sent), pb.GetInvitationRequest(token=sent)):
        rpc = type(message).__name__.removesuffix("Request")
        refused = orders.refusal(rpc, message, "", kind="Dashboard")
        assert (refused.reason, refused.message) == ("NOT_FOUND", UNKNOWN)
    assert orders.rows() == before


@pytest.mark.parametrize("password", ["", "short", "password1", "x" * 256, "aaaaaaaaa"])
def test_a_weak_password_leaves_the_link_as_it_is(
    orders: Served, token: str, password: str
) -> None:
    refused = orders.refusal("AcceptInvitation", build(token, password), "", kind="Dashboard")
    assert [fault.path for fault in refused.faults] == ["password"]
    assert refused.code is grpc.StatusCode.INVALID_ARGUMENT
    assert call(orders, build(token))


def test_it_expires(orders: Served, token: str) -> None:
    now = utc_now()
    with orders.clock.at(now + INVITATION_LIFETIME + timedelta(minutes=1)):
        refused = orders.refusal("AcceptInvitation", build(token), "", kind="Dashboard")
        assert refused.message == UNKNOWN
    with orders.clock.at(now + INVITATION_LIFETIME - timedelta(minutes=1)):
        assert call(orders, build(token))


def test_of_two_at_once_one_succeeds(orders: Served, token: str, email: str) -> None:
    passwords = [f"{word} and some more words" for word in ("first", "second", "third", "fourth")]

    def accept(password: str) -> str:
        try:
            call(orders, build(token, password))
        except grpc.RpcError:
            return ""
        return password

    with ThreadPoolExecutor(4) as pool:
        (accepted,) = filter(None, pool.map(accept, passwords))
    assert log_in(orders, email, accepted)


def test_of_a_token_only_a_hash_is_kept(orders: Served, token: str) -> None:
    assert token not in repr(orders.rows()["invitations"])
