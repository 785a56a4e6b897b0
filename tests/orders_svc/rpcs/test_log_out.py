"""LogOut: the session of the call ends, and no other."""

from typing import Any

from protos import orders_pb2 as pb
from tests.orders_svc.rpcs.test_log_in import describe, is_ended, log_in
from tests.serving import Served


def log_out(orders: Served, authorization: str, **metadata: Any) -> Any:
    """End a session."""
    metadata["authorization"] = authorization
    return orders.call("LogOut", pb.LogOutRequest(), "", kind="Dashboard", **metadata)


def test_it_works(orders: Served) -> None:
    first, second = log_in(orders), log_in(orders)
    assert log_out(orders, first) == pb.LogOutResponse()
    assert is_ended(orders, first)
    assert not is_ended(orders, second)


def test_a_session_ends_once(orders: Served) -> None:
    session = log_in(orders)
    log_out(orders, session)
    sent: dict[str, Any] = {"kind": "Dashboard", "authorization": session}
    failure = orders.refusal("LogOut", pb.LogOutRequest(), "", **sent)
    assert describe(failure) == ("UNAUTHENTICATED", "The session is over; log in again.")
