"""What a merchant and staff do about prescriptions: solicit, hand over, verify."""

import json
from datetime import UTC, datetime
from typing import Any

from google.protobuf.json_format import MessageToDict
from grpc import StatusCode

from protos import subscriptions_pb2 as pb
from tests.messages import DEMO
from tests.serving import Failure, Served
from tests.subscriptions_svc.bodies import build_lens, build_package
from tests.subscriptions_svc.links import load_merchants
from tests.subscriptions_svc.shop import build_delivery, create_confirmed, get, list_lenses

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)  # a Monday
NEW_YORK = {"country": "US", "time_zone": "America/New_York"}
STRICT = {"id": "lens_shop", "store_ref": "main"}
PRESCRIBED = {"sphere": -2.25, "issue_date": "2026-01-10", "expiration_date": "2026-04-01"}


def create_prescribed(
    served: Served, policy: str, *lenses: dict[str, Any], **merchant: Any
) -> pb.Subscription:
    """A confirmed subscription of lenses, at a merchant with a policy."""
    values = {"id": STRICT["id"], "store_refs": ["main"], "prescription_policy": policy}
    load_merchants(served, values | {"country": "ES", **merchant})
    example = json.loads((DEMO / "subscription.json").read_text())
    empty = {"nin": "", "nin_control": "", "mobile_phone": ""}
    cart = [build_package(*lenses)]
    with served.clock.at(NOON):
        return create_confirmed(
            served, lambda _name: example, merchant=STRICT, cart_items=cart, **empty
        )


def lens(eye: str = "left", **prescription: Any) -> dict[str, Any]:
    """A lens with a prescription."""
    return build_lens(eye, prescription={**PRESCRIBED, **prescription})


def deliver(
    served: Served, made: pb.Subscription, at: datetime = NOON, which: int = 0, boxes: int = 1
) -> pb.CreateBoxDeliveriesResponse:
    request = build_delivery(made.id, (list_lenses(made)[which].reference_uuid, boxes))
    with served.clock.at(at):
        answer: pb.CreateBoxDeliveriesResponse = served.call("CreateBoxDeliveries", request)
    return answer


def find_refused(
    served: Served, made: pb.Subscription, at: datetime = NOON, which: int = 0
) -> dict[str, Any]:
    """What the refusal says of the one lens at fault; nothing is written."""
    request = build_delivery(made.id, (list_lenses(made)[which].reference_uuid, 1))
    before = served.rows()
    with served.clock.at(at):
        failure: Failure = served.refusal("CreateBoxDeliveries", request)
        assert not get(served, made.id).available_actions.deliver_boxes
    assert served.rows() == before
    assert (failure.code, failure.reason) == (StatusCode.INVALID_ARGUMENT, "PRESCRIPTION")
    refusal = pb.PrescriptionRefusal()
    assert failure.details[0].Unpack(refusal)
    [item] = refusal.items
    assert item.cart_item_reference_uuid == list_lenses(made)[which].reference_uuid
    told = MessageToDict(item, preserving_proto_field_name=True)
    del told["cart_item_reference_uuid"], told["title"]
    return told


def ask(served: Served, made: pb.Subscription, at: datetime = NOON) -> pb.Verification:
    request = pb.RequestVerificationRequest(
        subscription_id=made.id, reference_uuid=list_lenses(made)[0].reference_uuid
    )
    with served.clock.at(at):
        answer: pb.Verification = served.call("RequestVerification", request, "staff", desk=True)
    return answer


def record(
    served: Served, made: pb.Subscription, outcome: str, at: datetime = NOON, which: int = 0
) -> pb.Verification:
    request = pb.RecordVerificationRequest(
        subscription_id=made.id,
        reference_uuid=list_lenses(made)[which].reference_uuid,
        outcome=outcome,
    )
    with served.clock.at(at):
        answer: pb.Verification = served.call("RecordVerification", request, "staff", desk=True)
    return answer
