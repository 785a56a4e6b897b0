"""ProviderService: what payment providers call, with nothing but their signature."""

from collections.abc import Callable
from datetime import datetime

import grpc

from chassis.store.database import Database
from protos import subscriptions_pb2 as pb
from protos import subscriptions_pb2_grpc as rpc
from subscriptions_svc.actions.paying.receive_callback import receive_callback


class ProviderService(rpc.ProviderServiceServicer):
    """The RPCs of payment providers, who have no account."""

    def __init__(self, database: Database, now: Callable[[], datetime]) -> None:
        self.database = database
        self.now = now

    def ReceiveCallback(
        self, request: pb.ReceiveCallbackRequest, context: grpc.ServicerContext
    ) -> pb.ReceiveCallbackResponse:
        with self.database.write() as tx:
            return receive_callback(
                tx, request.merchant_id, request.signature, request.body, self.now()
            )
