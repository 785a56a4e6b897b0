"""Whoever polls for newer orders misses none that commits late."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import Connection, select, text, update

from chassis.context import Account, utc_now
from chassis.store.database import Database
from orders_svc.actions.advance_by_time import advance_by_time
from orders_svc.rules.warnings.review import Review
from orders_svc.store import tables
from orders_svc.store.horizon import WRITTEN_AT
from orders_svc.store.orders import Submission, add_order
from protos import orders_pb2 as pb
from tests.orders_svc.bodies import Body, request
from tests.orders_svc.rpcs.test_polling import Poller
from tests.serving import USERS, Served

Add = Callable[[Connection], str]


@pytest.fixture(scope="module")
def engine() -> str:
    """SQLite has one writer at a time."""
    return "postgresql"


@pytest.fixture
def add(orders: Served, frame_order: Body, lab: Body) -> Add:
    """Adds an order in a transaction, and returns its id."""
    with orders.database.read() as tx:
        account = Account(tables.accounts.ids(tx)["demo-client"], "demo-client", "client")
        user = tx.execute(
            select(tables.users.c.id).where(tables.users.c.email == USERS["client"])
        ).scalar_one()
    early = Submission(utc_now() - timedelta(seconds=5), None)  # when its request was checked

    def adder(tx: Connection) -> str:
        row = add_order(tx, account, user, {**frame_order, **lab}, Review([], {}), early)
        return str(row["id"])

    return adder


@pytest.fixture
def poll(orders: Served, frame_order: Body, lab: Body) -> Poller:
    """A client that polls."""
    return Poller(orders, {**frame_order, **lab})


@contextmanager
def hold(database: Database, act: Callable[[Connection], Any]) -> Iterator[Any]:
    """A transaction of its own that stays open in the block, after `act`; then it commits."""
    with database.write() as tx:
        yield act(tx)


def test_an_order_is_created_when_it_is_written(orders: Served, add: Add) -> None:
    with orders.database.write() as tx:
        first = add(tx)
    with orders.database.write() as tx:
        second = add(tx)
        found = select(tables.orders.c.id, tables.orders.c.created_at)
        created = dict(tx.execute(found.where(tables.orders.c.id.in_((first, second)))).all())
    assert created[second] > created[first] > utc_now() - timedelta(seconds=4)


def test_a_statement_reads_the_clock_once(orders: Served) -> None:
    """Else the times of an order differ now and then by a millisecond."""
    with orders.database.write() as tx:
        times = [tx.execute(select(WRITTEN_AT, WRITTEN_AT)).one() for _ in range(50)]
    assert [first for first, _ in times] == [second for _, second in times]


def test_it_works(orders: Served, add: Add, poll: Poller) -> None:
    """The first writer commits last."""
    with hold(orders.database, add) as first:
        with hold(orders.database, add) as second:
            assert poll() == []
        assert poll() == []
    assert poll() == [first, second]
    assert poll() == []


def test_the_lower_transaction_may_read_the_clock_last(
    orders: Served, add: Add, poll: Poller
) -> None:
    own_id = text("SELECT pg_current_xact_id()")
    with orders.database.write() as late:
        late.execute(own_id)
        with hold(orders.database, add) as first:
            second = add(late)
            late.execute(text("COMMIT"))
            assert poll() == []
    assert poll() == [first, second]


def test_orders_before_an_open_writer_are_found(orders: Served, add: Add, poll: Poller) -> None:
    with hold(orders.database, add) as before:
        pass
    with hold(orders.database, add) as first:
        assert poll() == [before]
        with hold(orders.database, add) as second:
            pass
        assert poll() == []
    assert poll() == [first, second]


def test_a_writer_that_fails_hides_nothing(orders: Served, add: Add, poll: Poller) -> None:
    second = ""

    def fail() -> None:
        nonlocal second
        with hold(orders.database, add):
            with hold(orders.database, add) as second:
                pass
            assert poll() == []
            raise KeyError

    with pytest.raises(KeyError):
        fail()
    assert poll() == [second]


def test_transactions_on_other_tables_hide_nothing(orders: Served, add: Add, poll: Poller) -> None:
    with hold(orders.database, lambda tx: tx.execute(text("UPDATE reference_changes SET id = id"))):
        with hold(orders.database, add) as made:
            pass
        assert poll() == [made]


def test_an_older_page_has_no_horizon(orders: Served, lab: Body, add: Add) -> None:
    with orders.database.write() as tx:
        made = [add(tx) for _ in range(3)]
    asked = pb.ListOrdersRequest(**lab, starting_after=made[2])
    assert [each.id for each in orders.call("ListOrders", asked).data] == [made[1], made[0]]


def test_a_search_ends_there_too(orders: Served, lab: Body, add: Add) -> None:
    with orders.database.write() as tx:
        start = add(tx)
    asked = pb.SearchOrdersRequest(ending_before=start, lab=lab["lab"])

    def search() -> list[str]:
        login = pb.LogInRequest(
            email=USERS["client"], password="demo-password", address="192.0.2.7"
        )
        session = orders.call("LogIn", login, "", kind="Dashboard")
        found = orders.call(
            "SearchOrders", asked, "", kind="Dashboard", authorization=f"Session {session.token}"
        )
        return [each.id for each in found.data]

    with hold(orders.database, add) as first:
        with hold(orders.database, add) as second:
            pass
        assert search() == []
    assert search() == [second, first]


class Queue:
    """A lab that polls its queue for orders submitted after the last one it knows."""

    def __init__(self, orders: Served, order: Body) -> None:
        self.orders, self.lab = orders, order["lab"]
        self.last = orders.call("CreateOrder", request(order)).id

    def __call__(self) -> list[str]:
        asked = pb.ListLabOrdersRequest(lab=self.lab, starting_after=self.last)
        page = self.orders.call("ListLabOrders", asked, "staff", desk=True)
        found = [each.id for each in page.data]
        self.last = found[-1] if found else self.last
        return found


@pytest.fixture
def queue(orders: Served, frame_order: Body, lab: Body) -> Queue:
    """A lab that polls its queue."""
    return Queue(orders, {**frame_order, **lab})


def test_a_queue_that_is_polled_ends_there_too(orders: Served, add: Add, queue: Queue) -> None:
    with hold(orders.database, add) as first:
        with hold(orders.database, add) as second:
            assert queue() == []
        assert queue() == []
    assert queue() == [first, second]


def test_a_draft_comes_to_the_queue_when_it_is_written(
    orders: Served, frame_order: Body, lab: Body, add: Add, queue: Queue
) -> None:
    draft = orders.call("CreateOrder", request({**frame_order, **lab}, mode="draft")).id
    with orders.clock.at(utc_now() - timedelta(seconds=5)), hold(orders.database, add) as first:
        orders.call("SubmitOrder", pb.SubmitOrderRequest(order_id=draft))
        assert queue() == []
    assert queue() == [first, draft]


def test_so_does_an_order_that_waited_for_its_transmission(
    orders: Served, add: Add, queue: Queue
) -> None:
    with orders.database.write() as tx:
        made = add(tx)
        is_made = tables.orders.c.id == made
        due = {"lab_status": "pending_transmission", "submitted_at": None, "transmit_at": utc_now()}
        tx.execute(update(tables.orders).where(is_made).values(due))
    early = utc_now()
    with hold(orders.database, add) as first:
        assert advance_by_time(orders.database, early) == 1
        assert queue() == []
    assert queue() == [first, made]
