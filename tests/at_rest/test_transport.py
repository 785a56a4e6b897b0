"""A lab's transport in an encrypted store, on both engines."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import update

from chassis.store.database import Database
from orders_svc.store import tables
from tests.orders_svc.bodies import Body
from tests.orders_svc.rpcs.test_get_order import fetch_order
from tests.orders_svc.transport.labs import HEAD, Lab, build_lab, list_kinds, make_folder, put
from tests.serving import build_keyring, serve


@pytest.fixture
def lab(
    store_url: Callable[[str, str], str], engine: str, body: Any, unique: str, tmp_path: Path
) -> Iterator[Lab]:
    """A lab with a drop in a local folder, of a service that encrypts."""
    served = serve("orders", Database(store_url("orders", engine), keyring=build_keyring("a")))
    order: Body = body("order")
    made = build_lab(served, order, unique)
    made.connect(make_folder(tmp_path))
    yield made
    served.stop()


def test_what_is_told_again_is_no_change(lab: Lab, tmp_path: Path) -> None:
    order_id = lab.submit()
    text = HEAD + f"{order_id},in_progress,T-1,,1Z999,Started,\n"
    put(tmp_path, text)
    lab.read_status()
    before = fetch_order(lab.orders, order_id)
    assert before.tracking_number == "1Z999"
    put(tmp_path, text, "again.csv")
    lab.read_status()
    assert fetch_order(lab.orders, order_id) == before
    assert list_kinds(tmp_path) == {"in": 0, "done": 2, "failed": 0}


def test_a_damaged_order_delays_no_other(lab: Lab, tmp_path: Path) -> None:
    damaged, order_id = lab.submit(), lab.submit()
    with lab.orders.database.write() as tx:
        one = tables.orders.c.id == damaged
        tx.execute(update(tables.orders).where(one).values(document="\x02a\x02AAAA"))
        tx.execute(update(tables.orders).where(one).values(tracking_number="\x02a\x02AAAA"))
    lab.deliver()
    assert [each.name for each in (tmp_path / "out").iterdir()] == [f"{order_id}-v1.oma"]
    jobs = {each.stream: (each.state, each.last_error) for each in lab.list_events()}
    assert jobs == {damaged: ("pending", "error"), order_id: ("delivered", None)}
    put(
        tmp_path,
        HEAD + f"{damaged},in_progress,,,1Z1,,\n{order_id},in_progress,,,1Z2,,\n",
    )
    lab.read_status()
    assert fetch_order(lab.orders, order_id).tracking_number == "1Z2"
    assert list_kinds(tmp_path)["in"] == 0
