"""New subscriptions."""

import secrets
import uuid
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, bindparam, update
from sqlalchemy.dialects import postgresql, sqlite

from chassis.store.database import add_if_absent
from subscriptions_svc.rules import PaymentStatus, Status, bare_nin
from subscriptions_svc.rules_cart import TOTAL_MONTHS
from subscriptions_svc.rules_shapes import parsed_day
from subscriptions_svc.searching import add_words
from subscriptions_svc.store import IS_OVER, subscription_totals, subscriptions

# Fields of a solicitation that are kept as they were sent.
_OPTIONAL = (
    "operator_ref",
    "given_names",
    "surnames",
    "mobile_phone",
    "email",
    "nin_control",
    "address",
    "postal_code",
    "city",
    "discounts",
)

_FINISH = (
    update(subscriptions)
    .where(
        subscriptions.c.merchant_id == bindparam("of_merchant"),
        subscriptions.c.reference == bindparam("named"),
        IS_OVER,
    )
    .values(status=Status.FINISHED.value)
)


def _count(dialect: Any) -> Any:
    statement = dialect.insert(subscription_totals).values(total=1)
    total = subscription_totals.c.total + 1
    return statement.on_conflict_do_update(
        index_elements=["merchant_id", "store_ref"], set_={"total": total}
    )


_COUNT = {"sqlite": _count(sqlite), "postgresql": _count(postgresql)}


def count(tx: Connection, merchant: Mapping[str, str]) -> None:
    """Count one more of a merchant's store; the last to do, for others wait for the row."""
    row = {"merchant_id": merchant["id"], "store_ref": merchant["store_ref"]}
    tx.execute(_COUNT[tx.dialect.name], row)


def add_subscription(tx: Connection, values: Mapping[str, Any], now: datetime) -> str | None:
    """Keep a solicitation; gives its id, or None when a live one has the reference."""
    of = {"of_merchant": values["merchant"]["id"], "named": values["reference"]}
    tx.execute(_FINISH, {**of, "now": now})
    id_ = str(uuid.uuid4())
    row = {
        **dict.fromkeys(_OPTIONAL),
        **{name: values[name] for name in _OPTIONAL if name in values},
        "id": id_,
        "merchant_id": values["merchant"]["id"],
        "store_ref": values["merchant"]["store_ref"],
        "reference": values["reference"],
        "nin": bare_nin(values["nin"]) if "nin" in values else None,
        "date_of_birth": parsed_day(values.get("date_of_birth", "")),
        "status": Status.DRAFT.value,
        "payment_status": PaymentStatus.PENDING.value,
        "cart_id": str(uuid.uuid4()),
        "cart_code": new_code(),
        "total_months": TOTAL_MONTHS,
        "created_at": now,
    }
    if not add_if_absent(tx, subscriptions, row):
        return None
    add_words(tx, id_, values)
    return id_


def new_code() -> str:
    """The code of a cart link: 160 random bits. Who has it may see this cart and confirm it.

    It is kept as it is, for the API answers it again with every read of the subscription.
    """
    return secrets.token_urlsafe(20)
