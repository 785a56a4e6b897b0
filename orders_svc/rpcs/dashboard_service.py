"""DashboardService: what the pages of the dashboard call besides OrderService."""

from functools import cached_property

import grpc

from chassis.context import get_caller, get_current_call
from chassis.server.server import Resources
from chassis.validation import Rules
from orders_svc.actions.log_in import generate_dummy_hash, log_in
from orders_svc.actions.log_out import log_out
from orders_svc.documents.orders import to_unix
from orders_svc.documents.reviews import build_found_order, build_review
from orders_svc.rpcs.callers import Callers
from orders_svc.rules.dashboard import LOG_IN_REQUEST, SEARCH_ORDERS_REQUEST, SESSION_LIFETIME
from orders_svc.store.orders import get_order
from orders_svc.store.search import search_orders
from protos import orders_pb2 as pb
from protos import orders_pb2_grpc as rpc

LOG_IN = Rules(LOG_IN_REQUEST)
SEARCH_ORDERS = Rules(SEARCH_ORDERS_REQUEST)


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
        token = log_in(self.database, login, self.dummy_hash, now)
        return pb.DashboardSession(token=token, expires=to_unix(now + SESSION_LIFETIME))

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
        data = [build_found_order(row) for row in page.rows]
        return pb.SearchOrdersResponse(has_more=page.has_more, too_many=too_many, data=data)

    def GetReview(self, request: pb.GetReviewRequest, context: grpc.ServicerContext) -> pb.Review:
        user_id = self.callers.find_acting_user()
        with self.database.read() as tx:
            row = get_order(tx, get_caller(), user_id, request.order_id)
            return build_review(tx, row, self.public_url, self.now())
