"""A client that polls for newer orders while others create some, on both engines."""

import threading
from concurrent.futures import ThreadPoolExecutor

from protos import orders_pb2 as pb
from tests.orders_svc.bodies import Body, request
from tests.serving import Served


class Poller:
    """A client that follows the list of a lab from a first order of its own on."""

    def __init__(self, orders: Served, order: Body) -> None:
        self.orders = orders
        self.lab = {name: order[name] for name in ("lab", "account_number")}
        self.newest = orders.call("CreateOrder", request(order)).id

    def __call__(self) -> list[str]:
        """The orders since the last poll, oldest first."""
        found: list[str] = []
        while True:
            asked = pb.ListOrdersRequest(**self.lab, ending_before=self.newest, limit=3)
            page = self.orders.call("ListOrders", asked)
            found += [each.id for each in page.data][::-1]
            self.newest = found[-1] if found else self.newest
            if not page.has_more:
                return found


def test_nothing_is_missed(orders: Served, frame_order: Body, lab: Body) -> None:
    order = {**frame_order, **lab}
    poll, is_done = Poller(orders, order), threading.Event()
    found: list[str] = []

    def follow() -> None:
        while not is_done.is_set():
            found.extend(poll())

    follower = threading.Thread(target=follow)
    follower.start()
    with ThreadPoolExecutor(6) as pool:
        create = lambda _: orders.call("CreateOrder", request(order)).id  # noqa: E731
        made = list(pool.map(create, range(60)))
    is_done.set()
    follower.join()
    found += poll()
    assert sorted(found) == sorted(made)
    listed = orders.call("ListOrders", pb.ListOrdersRequest(**lab, limit=60))
    assert [each.id for each in listed.data] == found[::-1]


def test_an_order_is_created_when_it_is_written(
    orders: Served, frame_order: Body, lab: Body
) -> None:
    order = {**frame_order, **lab}
    poll = Poller(orders, order)
    first = orders.call("CreateOrder", request(order)).id
    with orders.database.read(single=True) as tx:
        row = tx.exec_driver_sql(
            f"SELECT created_at = updated_at, created_at = submitted_at FROM orders"
            f" WHERE id = '{first}'"
        ).one()
    assert poll() == [first]
    assert tuple(row) == (True, True)
