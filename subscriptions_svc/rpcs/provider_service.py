"""ProviderService: what payment providers call, with nothing but their signature."""

from collections.abc import Callable
from datetime import datetime

import grpc

from chassis.errors import MALFORMED, Invalid
from chassis.store.database import Database
from protos import subscriptions_pb2 as pb
from protos import subscriptions_pb2_grpc as rpc
from subscriptions_svc.actions.paying.receive_callback import receive_callback

MAX_CALLBACK_BYTES = 256 * 1024


class ProviderService(rpc.ProviderServiceServicer):
    """The RPCs of payment providers, who have no account."""

    def __init__(self, database: Database, now: Callable[[], datetime]) -> None:
        self.database = database
        self.now = now

    def ReceiveCallback(
        self, request: pb.ReceiveCallbackRequest, context: grpc.ServicerContext
    ) -> pb.ReceiveCallbackResponse:
        if len(request.body) > MAX_CALLBACK_BYTES or "\0" in request.merchant_id:
            raise Invalid("The callback is malformed.", reason=MALFORMED)
        with self.database.write() as tx:
            return receive_callback(
                tx, request.merchant_id, request.signature, request.body, self.now()
            )
