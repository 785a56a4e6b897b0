"""DashboardService: what the pages of the dashboard call besides OrderService."""

from functools import cached_property

import grpc

from chassis.context import get_caller, get_current_call, note_ids
from chassis.server.server import Resources
from chassis.validation import Rules
from orders_svc.actions.accept_invitation import accept_invitation
from orders_svc.actions.log_in import generate_dummy_hash, log_in
from orders_svc.actions.log_out import log_out
from orders_svc.documents.orders import to_unix
from orders_svc.documents.reviews import build_found_order, build_review
from orders_svc.rpcs.callers import Callers
from orders_svc.rules.credentials.passwords import ACCEPT_INVITATION_REQUEST, GET_INVITATION_REQUEST
from orders_svc.rules.dashboard import (
    DEVICE_LIFETIME,
    LOG_IN_REQUEST,
    SEARCH_ORDERS_REQUEST,
    SESSION_LIFETIME,
)
from orders_svc.store.access.invitations import get_invited_user
from orders_svc.store.access.users import hash_password
from orders_svc.store.orders import get_order
from orders_svc.store.search import search_orders
from protos import orders_pb2 as pb
from protos import orders_pb2_grpc as rpc

LOG_IN = Rules(LOG_IN_REQUEST, paragraphs=("password",))
GET_INVITATION = Rules(GET_INVITATION_REQUEST)
ACCEPT_INVITATION = Rules(ACCEPT_INVITATION_REQUEST, paragraphs=("password",))
SEARCH_ORDERS = Rules(SEARCH_ORDERS_REQUEST, paragraphs=("text",))


class DashboardService(rpc.DashboardServiceServicer):
    """What the pages of the dashboard call besides OrderService."""

    def __init__(self, resources: Resources) -> None:
        self.database = resources.database
        self.public_url = resources.public_url
        self.now = resources.now
        self.callers = Callers(resources)

    @cached_property
    def dummy_hash(self) -> str:
        """The hash to check the passwords of unknown users against."""
        return generate_dummy_hash()

    def LogIn(self, request: pb.LogInRequest, context: grpc.ServicerContext) -> pb.DashboardSession:
        login, now = LOG_IN.check(request), self.now()
        logged_in = log_in(self.database, login, self.dummy_hash, now)
        return pb.DashboardSession(
            token=logged_in.token,
            expires=to_unix(now + SESSION_LIFETIME),
            device=logged_in.device,
            device_expires=to_unix(now + DEVICE_LIFETIME),
        )

    def GetInvitation(
        self, request: pb.GetInvitationRequest, context: grpc.ServicerContext
    ) -> pb.Invitation:
        asked = GET_INVITATION.check(request)
        with self.database.read() as tx:
            return pb.Invitation(email=get_invited_user(tx, asked["token"], self.now()).email)

    def AcceptInvitation(
        self, request: pb.AcceptInvitationRequest, context: grpc.ServicerContext
    ) -> pb.AcceptInvitationResponse:
        accepted, now = ACCEPT_INVITATION.check(request), self.now()
        with self.database.read() as tx:
            user = get_invited_user(tx, accepted["token"], now)  # before the slow hash
        password_hash = hash_password(accepted["password"])
        with self.database.write() as tx:
            accept_invitation(tx, accepted["token"], password_hash, now)
        return pb.AcceptInvitationResponse(email=user.email)

    def LogOut(self, request: pb.LogOutRequest, context: grpc.ServicerContext) -> pb.LogOutResponse:
        token = get_current_call().metadata["authorization"].partition(" ")[2]
        with self.database.write() as tx:
            log_out(tx, token)
        return pb.LogOutResponse()

    def SearchOrders(
        self, request: pb.SearchOrdersRequest, context: grpc.ServicerContext
    ) -> pb.SearchOrdersResponse:
        user_id, filters = self.callers.find_acting_user(), SEARCH_ORDERS.check(request)
        with self.database.read() as tx:
            page, too_many = search_orders(tx, get_caller(), user_id, filters)
        note_ids(*(row.id for row in page.rows))
        data = [build_found_order(row) for row in page.rows]
        return pb.SearchOrdersResponse(has_more=page.has_more, too_many=too_many, data=data)

    def GetReview(self, request: pb.GetReviewRequest, context: grpc.ServicerContext) -> pb.Review:
        user_id = self.callers.find_acting_user()
        with self.database.read() as tx:
            row = get_order(tx, get_caller(), user_id, request.order_id)
            return build_review(tx, row, self.public_url, self.now())
