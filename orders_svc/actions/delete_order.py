"""DeleteOrder: drop a draft."""

from collections.abc import Collection

from sqlalchemy import Connection

from chassis.context import Account
from chassis.errors import Busy
from chassis.server.preconditions import check_version
from orders_svc.actions.submit_order import ensure_draft
from orders_svc.store.orders import delete_draft, get_order, note_order


def delete_order(
    tx: Connection, account: Account, user_id: int, order_id: str, versions: Collection[int] | None
) -> None:
    """Delete a draft; raises NotFound, or WrongState if it is none or in another version."""
    if note_order(order_id) and delete_draft(tx, account, user_id, order_id, versions) is not None:
        return
    row = get_order(tx, account, user_id, order_id)
    ensure_draft(row)
    check_version(row.version, versions)
    raise Busy("The draft was changed at the same time; try again.")
