"""The promise of an idempotency key when its requests arrive together."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import Any

import grpc

from chassis.errors import IDEMPOTENCY_MISMATCH
from protos.orders_pb2_grpc import OrderServiceStub
from tests.orders_svc.bodies import Body, request
from tests.serving import PEOPLE, USERS, Served, build_basic, decode

THREADS, CHANNELS = 16, 4
OWN_CONNECTION = [("grpc.use_local_subchannel_pool", 1)]


def act_at_once(orders: Served, act: Callable[[Any, int], Any]) -> list[Any]:
    """Run the act in threads that begin together; return their results."""
    channels = [grpc.insecure_channel(orders.address, OWN_CONNECTION) for _ in range(CHANNELS)]
    barrier = Barrier(THREADS)

    def one(number: int) -> Any:
        stub: Any = OrderServiceStub(channels[number % CHANNELS])
        barrier.wait()
        return act(stub, number)

    try:
        with ThreadPoolExecutor(THREADS) as pool:
            return list(pool.map(one, range(THREADS)))
    finally:
        for channel in channels:
            channel.close()


def metadata(key: str) -> list[tuple[str, str]]:
    return [
        ("authorization", build_basic(PEOPLE["orders"]["client"])),
        ("user-email", USERS["client"]),
        ("idempotency-key", key),
    ]


def test_one_key_from_16_threads_at_once_leaves_one_order(
    orders: Served, order: Body, unique: str
) -> None:
    sent = request(order, mode="draft")
    for round_ in range(3):
        before = len(orders.rows()["orders"])
        key = f"{unique}-{round_}"

        def create(stub: Any, _: int, key: str = key) -> tuple[Any, bool]:
            answer, call = stub.CreateOrder.with_call(sent, metadata=metadata(key), timeout=10)
            return answer, ("idempotent-replayed", "true") in call.trailing_metadata()

        answers = act_at_once(orders, create)
        assert len({answer.SerializeToString() for answer, _ in answers}) == 1
        assert sorted(replayed for _, replayed in answers) == [False] + [True] * (THREADS - 1)
        assert len(orders.rows()["orders"]) == before + 1
        assert [row[2] for row in orders.rows()["idempotency_keys"]].count(key) == 1


def test_of_two_requests_with_one_key_at_once_one_is_done(
    orders: Served, order: Body, unique: str
) -> None:
    before = len(orders.rows()["orders"])
    bodies = [request(order), request(order, special_instructions="Other")]

    def create(stub: Any, number: int) -> str:
        try:
            answer = stub.CreateOrder(bodies[number % 2], metadata=metadata(unique), timeout=10)
        except grpc.RpcError as error:
            return decode(error).reason
        return str(answer.id)

    answers = act_at_once(orders, create)
    assert answers.count(IDEMPOTENCY_MISMATCH) == THREADS // 2
    assert len(set(answers)) == 2
    assert len(orders.rows()["orders"]) == before + 1
