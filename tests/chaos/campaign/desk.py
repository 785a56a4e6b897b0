"""What staff do over gRPC, repeated under its key until it is answered."""

import time
from typing import Any

import grpc

from tests.chaos.campaign.ledger import Ledger
from tests.chaos.campaign.stage import RPC_SECONDS
from tests.chaos.product import wait_for
from tests.serving import build_basic

PAUSE_SECONDS = 0.5  # after a failure


def call_desk(ledger: Ledger, address: str, stub: Any, rpc: str, request: Any, key: str) -> None:
    """Call an RPC of a desk service until it has succeeded."""
    metadata = [("authorization", build_basic("demo-staff")), ("idempotency-key", key)]

    def is_done() -> bool:
        with grpc.insecure_channel(address) as channel:
            try:
                getattr(stub(channel), rpc)(request, timeout=RPC_SECONDS, metadata=metadata)
            except grpc.RpcError as error:
                ledger.fail(f"gRPC {error.code().name}")
                time.sleep(PAUSE_SECONDS)
                return False
        return True

    wait_for(is_done, f"{rpc} is not answered")
