"""What must hold however many processes serve: caps, keys, events, cursors, no failed request."""

import json
import threading
import time
import uuid
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from itertools import cycle
from typing import Any

import grpc

from bench.load.sockets import Address
from bench.scenarios.bodies import DEMO_STAFF, load_demo_order
from bench.scenarios.client import send_request
from bench.scenarios.orders import fetch_headers
from protos import orders_pb2 as pb
from protos.orders_pb2_grpc import LabDeskServiceStub
from tests.chassis.events.receiver import Receiver

THREADS = 8
EVENT_SECONDS = 30
IN_ORDER = ["order.submitted", "order.status_changed"]


class Shop:
    """A client of the orders API that uses several gateways in turn."""

    def __init__(self, gateways: Sequence[Address]) -> None:
        self.headers = fetch_headers(gateways[0])
        self.order = load_demo_order()
        self.failures: Counter[str] = Counter()
        self._turn = cycle(gateways)
        self._lock = threading.Lock()

    def send(self, method: str, path: str, body: Any = None, **headers: str) -> Any:
        """Return what is answered; a failure is counted, and None is returned."""
        with self._lock:
            address = next(self._turn)
        try:
            status, answer = send_request(address, method, path, self.headers | headers, body)
        except OSError as error:
            self.failures[type(error).__name__] += 1
            return None
        if status not in (200, 201):
            self.failures[f"status {status}"] += 1
            return None
        return answer

    def create(self, key: str | None = None) -> str:
        """Create an order under a key, and return its id; "" for a failure."""
        key = key or uuid.uuid4().hex
        answer = self.send("POST", "/v1/orders", self.order, **{"Idempotency-Key": key})
        return str(answer["id"]) if answer else ""

    def list_newer(self, newest: str, limit: int = 100) -> list[str]:
        """Return the ids of the page of orders that are newer than one, oldest first."""
        lab = f"lab={self.order['lab']}&account_number={self.order['account_number']}"
        path = f"/v1/orders?{lab}&limit={limit}&ending_before={newest}"
        answer = self.send("GET", path)
        return [each["id"] for each in answer["data"]][::-1] if answer else []


def check_keys(shop: Shop, count: int) -> list[str]:
    """Send each request four times at once; return what was done twice."""
    keys = [uuid.uuid4().hex for _ in range(count)]
    made: dict[str, set[str]] = defaultdict(set)
    with ThreadPoolExecutor(THREADS) as pool:
        repeated = [key for key in keys for _ in range(4)]
        for key, order_id in zip(repeated, pool.map(shop.create, repeated), strict=True):
            made[key].add(order_id)
    twice = sum(len(ids) != 1 for ids in made.values())
    return [f"{twice} of {count} keys had more than one effect"] if twice else []


def check_cursors(shop: Shop, count: int) -> list[str]:
    """Follow the list by its cursors while orders are created; return what was missed."""
    newest, is_done = shop.create(), threading.Event()
    followed: list[str] = []

    def follow() -> None:
        last = newest
        while True:
            ends = is_done.is_set()  # before the page: its orders are committed then
            found = shop.list_newer(last)
            followed.extend(found)
            last = found[-1] if found else last
            if ends and not found:
                return

    follower = threading.Thread(target=follow)
    follower.start()
    with ThreadPoolExecutor(THREADS) as pool:
        made = list(pool.map(lambda _: shop.create(), range(count)))
    is_done.set()
    follower.join()
    missed, twice = len(set(made) - set(followed)), len(followed) - len(set(followed))
    faults = [f"{missed} of {count} orders were missed by a poll"] if missed else []
    return faults + ([f"{twice} orders were shown twice"] if twice else [])


def check_events(
    shop: Shop, services: Sequence[Address], receiver: Receiver, count: int
) -> list[str]:
    """Create orders and move them at the lab; return which events came wrong."""
    with ThreadPoolExecutor(THREADS) as pool:
        ids = list(pool.map(lambda _: shop.create(), range(count)))
    for order_id, address in zip(ids, cycle(services), strict=False):
        _start_work(address, order_id)
    deadline = time.monotonic() + EVENT_SECONDS
    while (wrong := _list_wrong(receiver, ids)) and time.monotonic() < deadline:
        time.sleep(0.1)
    return [f"events of {len(wrong)} of {count} orders: {wrong[0]}"] if wrong else []


def _start_work(address: Address, order_id: str) -> None:
    with grpc.insecure_channel(f"{address[0]}:{address[1]}") as channel:
        request = pb.UpdateOrderRequest(order_id=order_id, lab_status="in_progress")
        metadata = (("authorization", DEMO_STAFF.basic),)
        LabDeskServiceStub(channel).UpdateOrder(request, timeout=20, metadata=metadata)


def _list_wrong(receiver: Receiver, ids: Sequence[str]) -> list[list[str]]:
    """Return the types of events, as they came, of each order that did not get them in order."""
    arrived: dict[str, list[str]] = {order_id: [] for order_id in ids}
    with receiver.lock:
        bodies = [json.loads(each.body) for each in receiver.received]
    for body in bodies:
        if (order_id := body["data"]["id"]) in arrived:
            arrived[order_id].append(body["type"])
    return [types for types in arrived.values() if types != IN_ORDER]


@contextmanager
def keep_busy(shop: Shop) -> Iterator[Callable[[], int]]:
    """Create orders all the time in the block; yields what returns how many there are."""
    stopped, made = threading.Event(), Counter[str]()

    def work() -> None:
        while not stopped.is_set():
            made["orders"] += bool(shop.create())

    threads = [threading.Thread(target=work) for _ in range(THREADS)]
    for each in threads:
        each.start()
    try:
        yield lambda: made["orders"]
    finally:
        stopped.set()
        for each in threads:
            each.join()
