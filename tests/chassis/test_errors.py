"""Refusals on their way over a real gRPC server, and back."""

import inspect
from collections.abc import Callable
from typing import Any

import pytest
from grpc import RpcError, StatusCode

from chassis import errors
from chassis.errors import (
    MAX_MESSAGE_LENGTH,
    MAX_PATH_LENGTH,
    Fault,
    Invalid,
    NotFound,
    Refusal,
    encode,
)
from chassis.status import Code
from protos.subscriptions_pb2 import OverDeliveredItem, OverDelivery
from tests.chassis.probe import Probe
from tests.serving import Failure, decode

REFUSALS: list[type[Refusal]] = [
    each for each in vars(errors).values() if inspect.isclass(each) and issubclass(each, Refusal)
]


def build_raiser(refusal: BaseException) -> Callable[[], None]:
    """Something that raises."""

    def act() -> None:
        raise refusal

    return act


@pytest.mark.parametrize("kind", REFUSALS)
def test_a_refusal_arrives_as_it_was_raised(stand_in: Probe, kind: type[Refusal]) -> None:
    failure = stand_in.refusal(act=build_raiser(kind("Not now: ü.")))
    code = StatusCode[kind.code.name]
    assert failure == Failure(code, kind.reason, "Not now: ü.", (), {}, ())


def test_the_refusals_have_codes_and_reasons_of_their_own() -> None:
    assert {kind.code.name: kind.reason for kind in REFUSALS} == {
        "INTERNAL": "INTERNAL",
        "INVALID_ARGUMENT": "INVALID",
        "UNAUTHENTICATED": "UNAUTHENTICATED",
        "PERMISSION_DENIED": "FORBIDDEN",
        "NOT_FOUND": "NOT_FOUND",
        "ALREADY_EXISTS": "ALREADY_EXISTS",
        "FAILED_PRECONDITION": "WRONG_STATE",
        "ABORTED": "BUSY",
        "UNAVAILABLE": "OVERLOADED",
        "RESOURCE_EXHAUSTED": "OVERLOADED",
        "DEADLINE_EXCEEDED": "DEADLINE_EXCEEDED",
    }


def test_our_codes_are_those_of_grpc() -> None:
    assert {code.name: code.value for code in Code} == {
        code.name: code.value[0] for code in StatusCode
    }


def test_reason_faults_metadata_and_detail_arrive(stand_in: Probe) -> None:
    over = OverDelivery(items=[OverDeliveredItem(cart_item_reference_uuid="u", remaining_boxes=0)])
    faults = (Fault("rx.left_eye.axis", "Must be 1 to 180."), Fault("", "Und überhaupt."))
    refusal = Invalid("No.", reason="OTHER", faults=faults, metadata={"a": "b,c"}, detail=over)
    failure = stand_in.refusal(act=build_raiser(refusal))
    assert (failure.reason, failure.faults, failure.metadata) == ("OTHER", faults, {"a": "b,c"})
    found = OverDelivery()
    (detail,) = failure.details
    assert detail.Unpack(found)
    assert found == over


@pytest.mark.parametrize("message", ["Short.", "x" * 150, "ü" * 300, "x" * 20_000])
@pytest.mark.parametrize("path", ["services.0", "p" * 300])
def test_faults_are_cut_to_what_a_client_takes(stand_in: Probe, message: str, path: str) -> None:
    faults = [Fault(f"{path}.{index}", message) for index in range(1000)]
    failure = stand_in.refusal(
        act=build_raiser(Invalid("The request breaks rules.", faults=faults))
    )
    assert (failure.code, failure.reason) == (StatusCode.INVALID_ARGUMENT, "INVALID")
    *listed, last = failure.faults
    assert len(listed) >= 5
    assert last == Fault("", f"{1000 - len(listed)} more faults are not listed.")
    for found, fault in zip(listed, faults, strict=False):
        assert fault.path.startswith(found.path.removesuffix("…"))
        assert fault.message.startswith(found.message.removesuffix("…"))


def test_a_long_path_and_a_long_message_are_cut(stand_in: Probe) -> None:
    fault = Fault("p" * (MAX_PATH_LENGTH + 100), "m" * (MAX_MESSAGE_LENGTH + 100))
    failure = stand_in.refusal(act=build_raiser(Invalid("No.", faults=[fault])))
    cut = Fault("p" * (MAX_PATH_LENGTH - 1) + "…", "m" * (MAX_MESSAGE_LENGTH - 1) + "…")
    assert failure.faults == (cut,)
    assert (MAX_PATH_LENGTH, MAX_MESSAGE_LENGTH) == (200, 300)


def test_the_status_message_ends_with_the_first_fault(stand_in: Probe) -> None:
    faults = (Fault("rx.left_eye.axis", "Must be 1 to 180."), Fault("a", "b"))
    status = encode(Invalid("The request breaks rules.", faults=faults))
    assert status.message == "The request breaks rules. rx.left_eye.axis: Must be 1 to 180."
    assert encode(Invalid("No.", faults=(Fault("", "Not that."),))).message == "No. Not that."
    for fault in (*faults, Fault("", "Ü" * 400), Fault("p" * 400, "")):
        failure = stand_in.refusal(act=build_raiser(Invalid("No.", faults=(fault,))))
        assert failure.message == "No."


def test_a_refusal_without_faults_lists_none(stand_in: Probe) -> None:
    assert stand_in.refusal(act=build_raiser(NotFound("No such thing."))).faults == ()


def test_a_failure_that_is_not_ours_has_no_reason(stand_in: Probe) -> None:
    stand_in.servicer.act = lambda: None
    unary: Any = stand_in.channel.unary_unary("/optigate.nothing.v1.Nothing/Do")
    with pytest.raises(RpcError) as raised:
        unary(b"", timeout=5)
    failure = decode(raised.value)
    assert (failure.code, failure.reason, failure.faults) == (StatusCode.UNIMPLEMENTED, "", ())
