"""The life of an order as its messages have it: actions, history, and a lab with a window."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import insert, select, update

from orders_svc.store import tables
from protos import orders_pb2 as pb
from tests.orders_svc.bodies import OFFER, Body
from tests.serving import USERS, Served

ACTIONS = {
    "draft": {"edit", "delete", "submit", "duplicate"},
    "pending_transmission": {"edit", "cancel", "duplicate"},
    "submitted": {"request_cancel", "duplicate", "redo", "multi_pair"},
    "in_progress": {"request_cancel", "duplicate", "redo", "multi_pair"},
    "on_hold": {"request_cancel", "duplicate", "redo", "multi_pair"},
    "shipped": {"duplicate", "redo", "multi_pair", "mark_ready"},
    "ready_for_pickup": {"duplicate", "redo", "multi_pair"},
    "cancelled": {"duplicate"},
}
OPTICIAN = USERS["client"]


def find_actions(lab_status: str) -> dict[str, bool]:
    """Whether each action is allowed in a status."""
    names = [each.name for each in pb.OrderActions.DESCRIPTOR.fields]
    return {name: name in ACTIONS[lab_status] for name in names}


def list_actions(order: pb.Order) -> set[str]:
    """The actions that an order allows."""
    return {field.name for field, allowed in order.available_actions.ListFields() if allowed}


def created(at: int, lab_status: str) -> dict[str, Any]:
    """The first entry of a history."""
    return {
        "at": at,
        "event": "created",
        "lab_status": lab_status,
        "by": "client",
        "user": OPTICIAN,
    }


def list_history(order: pb.Order) -> list[tuple[str, str, str, str, str]]:
    """The entries of a history: event, status, who, user, and the lab's own word."""
    return [
        (each.event, each.lab_status, each.by, each.user, each.lab_word) for each in order.history
    ]


def add_lab(orders: Served, unique: str, minutes: int) -> Body:
    """A lab of the optician with the catalog of lab_123 and a window of so many minutes."""
    lab_id = f"lab_{unique}"
    with orders.database.write() as tx:
        mine = tables.users.c.email == OPTICIAN
        user = tx.execute(select(tables.users.c.id).where(mine)).scalar_one()
        settings = {**OFFER.settings, "hold_minutes": minutes}
        tx.execute(insert(tables.labs).values(id=lab_id, name="Slow Lab", settings=settings))
        seen = {"user_id": user, "lab_id": lab_id, "account_number": unique}
        tx.execute(insert(tables.user_labs).values(seen))
        for table in (tables.styles, tables.materials, tables.style_materials, tables.addons):
            rows = tx.execute(table.select().where(table.c.lab_id == "lab_123")).all()
            tx.execute(insert(table), [{**row._mapping, "lab_id": lab_id} for row in rows])
    return {"lab": lab_id, "account_number": unique}


@contextmanager
def hold_of_user(orders: Served, minutes: int) -> Iterator[None]:
    """The optician has a window of their own for a while."""
    for value in (minutes, None):
        with orders.database.write() as tx:
            mine = tables.users.c.email == OPTICIAN
            tx.execute(update(tables.users).where(mine).values(hold_minutes=value))
        orders.refresh_cache()
        if value is not None:
            yield


def name_versions(*versions: int) -> dict[str, Any]:
    """The metadata that lets a change apply to these versions alone; to any, without one."""
    tags = ", ".join(f'"v{each}"' for each in versions)
    return {"if_match": tags} if tags else {}
