"""Orders that the tests of this folder begin with."""

import pytest
from sqlalchemy import insert, select

from orders_svc.store import tables
from tests.orders_svc.bodies import LAB, OFFER, REDO_DATA, Body, example
from tests.serving import USERS, Served


@pytest.fixture
def order() -> Body:
    """The example body: an rx order for the lab with every block but redo and multi pair."""
    return example()


@pytest.fixture
def redo(order: Body) -> Body:
    """The example as a redo."""
    return {**order, "submission_type": "redo", "redo_data": dict(REDO_DATA)}


@pytest.fixture
def frame_order(order: Body) -> Body:
    """The least order of a type other than rx."""
    required = "handling manufacturer model material color eye_size bridge"
    return {
        **LAB,
        "mode": "submit",
        "submission_type": "new",
        "order_type": "frame",
        "patient": {"first_name": "Ada", "last_name": "Example"},
        "frame": {name: order["frame"][name] for name in required.split()},
    }


@pytest.fixture
def lab(orders: Served, unique: str) -> Body:
    """A lab of the optician that has no orders and no catalog."""
    with orders.database.write() as tx:
        mine = tables.users.c.email == USERS["client"]
        user = tx.execute(select(tables.users.c.id).where(mine)).scalar_one()
        row = {"id": f"lab_{unique}", "name": "New Lab", "settings": OFFER.settings}
        tx.execute(insert(tables.labs).values(row))
        seen = {"user_id": user, "lab_id": row["id"], "account_number": unique}
        tx.execute(insert(tables.user_labs).values(seen))
    return {"lab": row["id"], "account_number": unique}
