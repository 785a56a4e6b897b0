"""MarkOrderReady: a shipped order may be picked up, and the patient is told."""

from datetime import datetime

from sqlalchemy import Connection

from chassis.context import Account
from chassis.errors import WrongState
from orders_svc.documents.events import ORDER_STATUS_CHANGED, build_event
from orders_svc.notices.tracking import build_tracking_url, queue_tracking_mail
from orders_svc.rules.life.history import CLIENT, Event
from orders_svc.store.life.changes import mark_ready
from orders_svc.store.life.history import add_entry
from orders_svc.store.orders import get_order
from orders_svc.store.tables import outbox
from orders_svc.store.tracking import put_tracking_code


def mark_order_ready(
    tx: Connection,
    account: Account,
    user_id: int,
    order_id: str,
    public_url: str,
    now: datetime,
    *,
    notify: bool,
) -> None:
    """Change the status of a shipped order; raises NotFound or WrongState."""
    row = mark_ready(tx, account, user_id, order_id, now)
    if row is None:
        row = get_order(tx, account, user_id, order_id)
        raise WrongState(f"The order is {row.lab_status}, which does not allow this.")
    add_entry(tx, row, Event.READY_FOR_PICKUP, CLIENT, now, user_id=user_id)
    outbox.add(tx, build_event(account.name, ORDER_STATUS_CHANGED, row._mapping, now), now)
    if notify:
        link = build_tracking_url(put_tracking_code(tx, order_id), public_url)
        queue_tracking_mail(tx, row.document, row.lab_status, order_id, link, now)
