"""A client in a process of its own that hands over boxes of one eye from several threads.

`python -m tests.subscriptions_svc.box_client ADDRESS SUBSCRIPTION_ID REFERENCE_UUID` waits for a
line on its standard input, and prints each outcome as JSON: reason ("" for a delivery), boxes
delivered afterwards, and seconds.
"""

import json
import sys
from base64 import b64encode
from concurrent.futures import ThreadPoolExecutor
from time import monotonic

import grpc

from protos.subscriptions_pb2 import CreateBoxDeliveriesRequest
from protos.subscriptions_pb2_grpc import SubscriptionServiceStub
from tests.serving import decode

THREADS = 8
CALLS = 6  # of each thread
DEADLINE = 60.0  # seconds: a slow machine is no fault

Outcome = tuple[str, int, float]


def deliver_boxes(
    threads: int, address: str, subscription_id: str, reference_uuid: str
) -> list[Outcome]:
    """The outcomes of every thread's calls, each for one box."""
    request = CreateBoxDeliveriesRequest(subscription_id=subscription_id)
    request.deliveries.add(cart_item_reference_uuid=reference_uuid, quantity=1)
    account = b64encode(b"demo-merchant:demo-merchant-secret").decode()
    metadata = (("authorization", f"Basic {account}"),)

    with grpc.insecure_channel(address) as channel, ThreadPoolExecutor(threads) as pool:
        deliver = SubscriptionServiceStub(channel).CreateBoxDeliveries

        def attempt(_: int) -> Outcome:
            started = monotonic()
            try:
                answer = deliver(request, timeout=DEADLINE, metadata=metadata)
            except grpc.RpcError as error:
                failure = decode(error)
                return failure.reason or failure.code.name, 0, monotonic() - started
            return "", answer.deliveries[0].delivered_boxes, monotonic() - started

        return list(pool.map(attempt, range(threads * CALLS)))


if __name__ == "__main__":
    print("ready", flush=True)
    sys.stdin.readline()
    print(json.dumps(deliver_boxes(THREADS, sys.argv[1], sys.argv[2], sys.argv[3])))
