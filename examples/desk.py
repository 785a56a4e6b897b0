"""The desks over gRPC: what doctors, labs and the shop's staff do. `desk.mjs` does the same.

python -m examples.desk approve session-1    # examines, and dispenses contact lenses and glasses
python -m examples.desk confirm ID           # confirms a subscription for the shopper
python -m examples.desk ship ord_...         # makes an order of glasses, and ships it
"""

import argparse
import base64
import os
import sys
from datetime import UTC, datetime, timedelta
from typing import Any

import grpc

from protos import orders_pb2, sessions_pb2, subscriptions_pb2
from protos.orders_pb2_grpc import LabDeskServiceStub
from protos.sessions_pb2_grpc import SessionDeskServiceStub
from protos.subscriptions_pb2_grpc import SubscriptionDeskServiceStub

STAFF = "Basic " + base64.b64encode(b"demo-staff:demo-staff-secret").decode()
TIMEOUT_SECONDS = 10
PARTNER = "demo-partner"


def call(method: Any, request: Any) -> Any:
    """Call as staff, with a deadline."""
    return method(request, timeout=TIMEOUT_SECONDS, metadata=[("authorization", STAFF)])


def connect(service: str, address: str) -> grpc.Channel:
    """Return a channel to a service; between machines it is to be TLS."""
    return grpc.insecure_channel(os.environ.get(f"{service}_LISTEN", address))


def list_dispensed() -> list[sessions_pb2.DispensedPrescription]:
    """Return what the doctor dispenses today."""
    today = datetime.now(UTC).date()
    lens = sessions_pb2.DispensedEye(
        product_keys=["example1"], sphere=-1.25, base_curve=8.7, diameter=14.1
    )
    glass = sessions_pb2.DispensedEye(
        sphere=-1.5, cylinder=-0.5, axis=90, add=2, pupillary_distance=31
    )
    pdf = sessions_pb2.Asset(content_type="application/pdf", source=b"%PDF-1.7\n")
    return [
        sessions_pb2.DispensedPrescription(
            type=kind,
            issue_date=today.isoformat(),
            expiration_date=(today + timedelta(days=365)).isoformat(),
            right_eye=eye,
            left_eye=eye,
            assets=[pdf],
        )
        for kind, eye in (("contacts", lens), ("glasses", glass))
    ]


def approve(session_key: str) -> str:
    """Lead a session from its exam to the doctor's approval; returns its status."""
    session = {"partner": PARTNER, "session_key": session_key}
    with connect("SESSIONS", "127.0.0.1:50051") as channel:
        desk = SessionDeskServiceStub(channel)
        call(desk.StartExam, sessions_pb2.StartExamRequest(**session))
        call(
            desk.SubmitExam,
            sessions_pb2.SubmitExamRequest(**session, status="awaiting_review"),
        )
        return dispense(desk, session_key)


def dispense(desk: SessionDeskServiceStub, session_key: str) -> str:
    """Dispense as the doctor does; returns the session's status."""
    approval = sessions_pb2.ApproveRequest(
        partner=PARTNER, session_key=session_key, dispensed_prescriptions=list_dispensed()
    )
    status: str = call(desk.Approve, approval).status
    return status


def confirm(subscription_id: str) -> str:
    """Confirm a subscription; returns its status."""
    with connect("SUBSCRIPTIONS", "127.0.0.1:50053") as channel:
        request = subscriptions_pb2.ConfirmSubscriptionRequest(subscription_id=subscription_id)
        desk = SubscriptionDeskServiceStub(channel)
        status: str = call(desk.ConfirmSubscription, request).status
        return status


def ship(order_id: str) -> str:
    """Make an order, and ship it; returns the lab's status."""
    with connect("ORDERS", "127.0.0.1:50052") as channel:
        desk = LabDeskServiceStub(channel)
        status = ""
        for status in ("in_progress", "shipped"):
            request = orders_pb2.UpdateOrderRequest(order_id=order_id, lab_status=status)
            status = call(desk.UpdateOrder, request).lab_status
        return status


def main() -> None:
    """Read the command line."""
    actions = {"approve": approve, "confirm": confirm, "ship": ship}
    parser = argparse.ArgumentParser(prog="examples.desk")
    parser.add_argument("action", choices=actions)
    parser.add_argument("id")
    given = parser.parse_args()
    try:
        print(actions[given.action](given.id))
    except grpc.RpcError as error:
        refused: grpc.Call = error  # type: ignore[assignment]  # grpcio raises calls as errors
        sys.exit(f"{refused.code().name}: {refused.details()}")


if __name__ == "__main__":
    main()
