"""What the pages of the dashboard are answered, beside what opticians' software is."""

import secrets
from collections.abc import Callable
from datetime import datetime
from typing import Any

import grpc
from sqlalchemy import Connection, Row
from werkzeug.security import check_password_hash, generate_password_hash

from chassis.context import caller, current_call, utc_now
from chassis.errors import NotFound, Unauthenticated
from chassis.store.database import Database
from chassis.validation import Rules
from optics import powers as optics
from orders_svc import dashboard_rules, documents, logins, orders, searching, store
from protos import orders_pb2 as pb
from protos import orders_pb2_grpc as rpc

SESSION = "session"  # the scheme of authorization
TOO_MANY_ATTEMPTS = "TOO_MANY_ATTEMPTS"
KINDS = ("style", "material", "color")
WRONG = "The e-mail address or the password is wrong."
WAIT = "There were too many attempts; try again in 15 minutes."

LOG_IN = Rules(dashboard_rules.LOG_IN_REQUEST)
SEARCH_ORDERS = Rules(dashboard_rules.SEARCH_ORDERS_REQUEST)


class DashboardService(rpc.DashboardServiceServicer):
    """What the dashboard's pages call."""

    def __init__(
        self,
        database: Database,
        acting_user: Callable[[], int],
        public_url: str,
        now: Callable[[], datetime] = utc_now,
    ) -> None:
        self.database = database
        self.acting_user = acting_user
        self.public_url = public_url
        self.now = now
        # Checked where there is no such user: an answer takes as long as for a wrong password.
        self.nobody = generate_password_hash(secrets.token_hex())

    def LogIn(self, request: pb.LogInRequest, context: grpc.ServicerContext) -> pb.DashboardSession:
        sent, now = LOG_IN.check(request), self.now()
        email, address = sent["email"], sent["address"]
        with self.database.write() as tx:
            allowed = logins.may_try(tx, email, address, now)
        if not allowed:
            raise Unauthenticated(WAIT, reason=TOO_MANY_ATTEMPTS)
        with self.database.read() as tx:
            user = logins.user(tx, email)
        right = check_password_hash(user.password_hash if user else self.nobody, sent["password"])
        if user is None or not right:
            raise Unauthenticated(WRONG)
        with self.database.write() as tx:
            token = logins.begin(tx, user.id, email, address, sent["replaces"], now)
        end = now + dashboard_rules.SESSION_LIFE
        return pb.DashboardSession(token=token, expires=documents.unix(end))

    def LogOut(self, request: pb.LogOutRequest, context: grpc.ServicerContext) -> pb.LogOutResponse:
        token = current_call().metadata["authorization"].partition(" ")[2]
        with self.database.write() as tx:
            logins.end(tx, token)
        return pb.LogOutResponse()

    def SearchOrders(
        self, request: pb.SearchOrdersRequest, context: grpc.ServicerContext
    ) -> pb.SearchOrdersResponse:
        user, filters = self.acting_user(), SEARCH_ORDERS.check(request)
        with self.database.read() as tx:
            (rows, has_more), too_many = searching.search(tx, caller(), user, filters)
        return pb.SearchOrdersResponse(
            has_more=has_more, too_many=too_many, data=[found_order(row) for row in rows]
        )

    def GetReview(self, request: pb.GetReviewRequest, context: grpc.ServicerContext) -> pb.Review:
        user = self.acting_user()
        with self.database.read() as tx:
            row = orders.seen(tx, caller(), user, request.order_id)
            if row is None:
                raise NotFound("You have no such order.")
            return review(tx, row, self.public_url)


def found_order(row: Row[Any]) -> pb.FoundOrder:
    """An order as the dashboard lists it."""
    return pb.FoundOrder(
        id=row.id,
        patient=f"{row.first_name} {row.last_name}",
        lab_name=row.lab_name,
        lab_status=row.lab_status,
        tray_number=row.tray_number,
        invoice_number=row.invoice_number,
        created=documents.unix(row.created_at),
        updated=documents.unix(row.updated_at),
    )


def review(tx: Connection, row: Row[Any], public_url: str) -> pb.Review:
    """An order with the names of what it orders, the drawing, and what its rx comes to."""
    order: dict[str, Any] = row.document
    lens: dict[str, Any] = order.get("lens") or {}
    named = store.names_of(tx, row.lab_id, lens)
    parts: dict[str, Any] = {
        kind: named.get((kind, id_), id_) for kind, id_ in lens.items() if kind in KINDS
    }
    parts |= {which: reviewed_eye(eye, which) for which, eye in (order.get("rx") or {}).items()}
    return pb.Review(
        order=documents.order(row, public_url),
        lab_name=named.get(("lab", row.lab_id), row.lab_id),
        coats=[named.get(("coat", coat), coat) for coat in lens.get("coats", ())],
        outline_svg=documents.outline(row).svg,
        **parts,
    )


def reviewed_eye(eye: dict[str, Any], which: str) -> pb.ReviewedEye:
    """What an eye's prescription comes to."""
    power = optics.power_of(eye)
    made = pb.ReviewedEye(spherical_equivalent=power.spherical_equivalent)
    if power.transposed != power:
        made.other_form.CopyFrom(pb.OtherForm(**power.transposed._asdict()))
    if "horizontal_prism" in eye and "vertical_prism" in eye:
        prism = optics.resultant(eye, which)
        assert prism is not None
        made.prism.CopyFrom(pb.ResultantPrism(**prism._asdict()))
    return made
