"""The ledger of boxes handed over, as it is read: of one subscription, or of all for a report."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, Row, bindparam, func, select

from protos import subscriptions_pb2 as pb
from subscriptions_svc.documents.carts import moment
from subscriptions_svc.store.tables import accounts, box_deliveries, cart_items

_OF = box_deliveries.c.subscription_id == bindparam("of")
_COUNT = select(func.count()).select_from(box_deliveries).where(_OF)
_PAGE = (
    select(
        box_deliveries.c.delivered_at,
        box_deliveries.c.quantity,
        box_deliveries.c.year,
        box_deliveries.c.request_id,
        accounts.table.c.name.label("account"),
        cart_items.c.reference_uuid,
        cart_items.c.reference,
        cart_items.c.name,
        cart_items.c.eye,
    )
    .join(cart_items, cart_items.c.id == box_deliveries.c.item_id)
    .join(accounts.table)
    .where(_OF)
    .order_by(box_deliveries.c.id.desc())
    .limit(bindparam("per_page"))
    .offset(bindparam("skipped"))
)


def page(
    tx: Connection, subscription_id: str, page: int, per_page: int
) -> tuple[Sequence[Any], int]:
    """The rows of one page of a subscription's ledger, newest first, and how many there are."""
    of = {"of": subscription_id, "per_page": per_page, "skipped": (page - 1) * per_page}
    total: int = tx.execute(_COUNT, of).scalar_one()
    return tx.execute(_PAGE, of).all(), total


def entry(row: Row[Any]) -> pb.Delivery:
    """A row of the ledger as shops see it."""
    return pb.Delivery(
        delivered_at=moment(row.delivered_at),
        cart_item_reference_uuid=row.reference_uuid,
        reference=row.reference,
        name=row.name,
        product_data=pb.ProductData(eye=row.eye),
        quantity=row.quantity,
        subscription_year=row.year,
        account=row.account,
        request_id=row.request_id,
    )
