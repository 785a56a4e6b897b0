"""The two services, each with its own database."""

from typing import Any

import grpc
from google.protobuf.json_format import MessageToDict
from sqlalchemy.orm import Session, sessionmaker

from bench.peers import orders, subscriptions
from bench.peers.by_the_book.errors import abort_refusals, read_metadata
from bench.peers.refusals import build_invalid_order, build_orders_error
from bench.peers.smorest_schemas import CredentialsSchema, NewOrderSchema
from protos import orders_pb2, subscriptions_pb2
from protos.orders_pb2_grpc import OrderServiceServicer
from protos.subscriptions_pb2_grpc import SubscriptionServiceServicer

CREDENTIALS, NEW_ORDER = CredentialsSchema(), NewOrderSchema()


def to_dict(request: Any) -> dict[str, Any]:
    """Return a message as the schemas take it."""
    values: dict[str, Any] = MessageToDict(request, preserving_proto_field_name=True)
    return values


class OrderService(OrderServiceServicer):
    """Tokens and orders."""

    def __init__(self, sessions: sessionmaker[Session]) -> None:
        self.sessions = sessions

    @abort_refusals
    def CreateToken(
        self, request: orders_pb2.CreateTokenRequest, context: grpc.ServicerContext
    ) -> orders_pb2.Token:
        """Exchange client credentials for a token."""
        values = CREDENTIALS.load(to_dict(request))
        with self.sessions() as session:
            account = orders.find_account(session, values["client_id"], values["client_secret"])
            if account is None:
                raise build_orders_error(401, "Send the name and secret of an account.")
            token, row = orders.build_token(account)
            session.add(row)
            session.commit()
        return orders_pb2.Token(token=token)

    @abort_refusals
    def CreateOrder(
        self, request: orders_pb2.CreateOrderRequest, context: grpc.ServicerContext
    ) -> orders_pb2.CreateOrderResponse:
        """Create an order, or answer as before where its idempotency key has created one."""
        metadata = read_metadata(context)
        key = metadata.get("idempotency-key", "")
        sent = request.SerializeToString(deterministic=True) if key else b""
        with self.sessions() as session:
            account_id, user_id = find_caller(session, metadata)
            if kept := orders.find_kept_answer(session, account_id, key, sent):
                context.set_trailing_metadata((("idempotent-replayed", "true"),))
                return build_created(kept)
            order = NEW_ORDER.load(to_dict(request))
            if faults := orders.find_offer_faults(session, user_id, order):
                raise build_invalid_order(faults)
            row = orders.build_order(account_id, user_id, order)
            answer = orders.build_answer(row.id, order["mode"])
            session.add(row)
            orders.keep_answer(session, account_id, key, sent, answer)
            session.commit()
        return build_created(answer)

    @abort_refusals
    def GetOrder(
        self, request: orders_pb2.GetOrderRequest, context: grpc.ServicerContext
    ) -> orders_pb2.Order:
        """Return an order as it was sent."""
        with self.sessions() as session:
            who = find_caller(session, read_metadata(context))
            return orders_pb2.Order(**orders.read_order(session, who, request.order_id))


def build_created(answer: Any) -> orders_pb2.CreateOrderResponse:
    """Return the message that answers CreateOrder."""
    return orders_pb2.CreateOrderResponse(**answer)


def find_caller(session: Session, metadata: Any) -> tuple[int, int]:
    """Return the ids of the calling account and user; raise 401, 400 or 403."""
    authorization, email = metadata.get("authorization", ""), metadata.get("user-email", "")
    return orders.find_caller(session, authorization, email)


class SubscriptionService(SubscriptionServiceServicer):
    """Subscriptions."""

    def __init__(self, sessions: sessionmaker[Session]) -> None:
        self.sessions = sessions

    @abort_refusals
    def GetSubscription(
        self, request: subscriptions_pb2.GetSubscriptionRequest, context: grpc.ServicerContext
    ) -> subscriptions_pb2.Subscription:
        """Return a subscription."""
        with self.sessions() as session:
            authorization = read_metadata(context).get("authorization", "")
            account = subscriptions.authenticate_basic(session, authorization)
            found = subscriptions.read_subscription(session, account, request.subscription_id)
        return subscriptions_pb2.Subscription(**found)
