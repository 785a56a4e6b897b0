"""Refusals on their way over a real gRPC server, and back."""

import inspect
from collections.abc import Callable
from typing import Any

import pytest
from grpc import StatusCode

from chassis import errors
from chassis.errors import (
    MAX_MESSAGE_LENGTH,
    MAX_PATH_LENGTH,
    Failure,
    Fault,
    Invalid,
    NotFound,
    Refusal,
)
from protos.subscriptions_pb2 import OverDeliveredItem, OverDelivery
from tests.chassis.probe import Probe

REFUSALS: list[type[Refusal]] = [
    each for each in vars(errors).values() if inspect.isclass(each) and issubclass(each, Refusal)
]


def raising(refusal: BaseException) -> Callable[[], None]:
    """Something that raises."""

    def act() -> None:
        raise refusal

    return act


@pytest.mark.parametrize("kind", REFUSALS)
def test_a_refusal_arrives_as_it_was_raised(told: Probe, kind: type[Refusal]) -> None:
    failure = told.refusal(act=raising(kind("Not now: ü.")))
    assert failure == Failure(kind.code, kind.reason, "Not now: ü.", (), {}, ())


def test_the_refusals_have_codes_and_reasons_of_their_own() -> None:
    assert {kind.code: kind.reason for kind in REFUSALS} == {
        StatusCode.INTERNAL: "INTERNAL",
        StatusCode.INVALID_ARGUMENT: "INVALID",
        StatusCode.UNAUTHENTICATED: "UNAUTHENTICATED",
        StatusCode.PERMISSION_DENIED: "FORBIDDEN",
        StatusCode.NOT_FOUND: "NOT_FOUND",
        StatusCode.ALREADY_EXISTS: "ALREADY_EXISTS",
        StatusCode.FAILED_PRECONDITION: "WRONG_STATE",
        StatusCode.ABORTED: "BUSY",
        StatusCode.UNAVAILABLE: "OVERLOADED",
        StatusCode.DEADLINE_EXCEEDED: "DEADLINE_EXCEEDED",
    }


def test_reason_faults_metadata_and_detail_arrive(told: Probe) -> None:
    over = OverDelivery(items=[OverDeliveredItem(cart_item_reference_uuid="u", remaining_boxes=0)])
    faults = (Fault("rx.left_eye.axis", "Must be 1 to 180."), Fault("", "Und überhaupt."))
    refusal = Invalid("No.", reason="OTHER", faults=faults, metadata={"a": "b,c"}, detail=over)
    failure = told.refusal(act=raising(refusal))
    assert (failure.reason, failure.faults, failure.metadata) == ("OTHER", faults, {"a": "b,c"})
    found = OverDelivery()
    (detail,) = failure.details
    assert detail.Unpack(found)
    assert found == over


@pytest.mark.parametrize("message", ["Short.", "x" * 150, "ü" * 300, "x" * 20_000])
@pytest.mark.parametrize("path", ["services.0", "p" * 300])
def test_faults_are_cut_to_what_a_client_takes(told: Probe, message: str, path: str) -> None:
    faults = [Fault(f"{path}.{index}", message) for index in range(1000)]
    failure = told.refusal(act=raising(Invalid("The request breaks rules.", faults=faults)))
    assert (failure.code, failure.reason) == (StatusCode.INVALID_ARGUMENT, "INVALID")
    *listed, last = failure.faults
    assert len(listed) >= 5
    assert last == Fault("", f"{1000 - len(listed)} more faults are not listed.")
    for found, fault in zip(listed, faults, strict=False):
        assert fault.path.startswith(found.path)
        assert fault.message.startswith(found.message)


def test_a_long_path_and_a_long_message_are_cut(told: Probe) -> None:
    fault = Fault("p" * (MAX_PATH_LENGTH + 100), "m" * (MAX_MESSAGE_LENGTH + 100))
    failure = told.refusal(act=raising(Invalid("No.", faults=[fault])))
    assert failure.faults == (Fault("p" * MAX_PATH_LENGTH, "m" * MAX_MESSAGE_LENGTH),)
    assert (MAX_PATH_LENGTH, MAX_MESSAGE_LENGTH) == (200, 300)


def test_a_refusal_without_faults_lists_none(told: Probe) -> None:
    assert told.refusal(act=raising(NotFound("No such thing."))).faults == ()


def test_a_failure_that_is_not_ours_has_no_reason(told: Probe) -> None:
    told.told.act = lambda: None
    unary: Any = told.channel.unary_unary("/optigate.nothing.v1.Nothing/Do")
    with pytest.raises(Exception) as raised:  # noqa: PT011 - grpcio's class is private
        unary(b"", timeout=5)
    failure = errors.decode(raised.value)  # type: ignore[arg-type]
    assert (failure.code, failure.reason, failure.faults) == (StatusCode.UNIMPLEMENTED, "", ())
