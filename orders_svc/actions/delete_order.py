"""DeleteOrder: drop a draft."""

from collections.abc import Collection

from sqlalchemy import Connection

from chassis.context import Account
from chassis.errors import STALE_VERSION, WrongState
from orders_svc.actions.replace_order import STALE, ensure_version
from orders_svc.actions.submit_order import ensure_draft
from orders_svc.store.orders import delete_draft, get_order, is_id


def delete_order(
    tx: Connection, account: Account, user_id: int, order_id: str, versions: Collection[int]
) -> None:
    """Delete a draft; raises NotFound, or WrongState if it is none or in another version."""
    if is_id(order_id) and delete_draft(tx, account, user_id, order_id, versions) is not None:
        return
    row = get_order(tx, account, user_id, order_id)
    ensure_draft(row)
    if versions:
        ensure_version(row, versions)
    raise WrongState(STALE, reason=STALE_VERSION)
