"""What changes a session: each change one statement, whose condition is what allows it.

Of two changes at once that exclude each other the second finds its condition
gone, on both engines, and changes nothing.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, Update, and_, bindparam, or_, update

from sessions_svc.rules.sessions import ACUITY_MOVES, MOVES, Status
from sessions_svc.store.tables import SHOWN, WHOLE, details, sessions

_OF_ID = sessions.c.id == bindparam("session_id")


def _origins(moves: Mapping[Status, frozenset[Status]], to: Status) -> list[str]:
    return [origin.value for origin, targets in moves.items() if to in targets]


def _move(to: Status) -> Update:
    prescription = sessions.c.status.in_(_origins(MOVES, to))
    acuity = sessions.c.status.in_(_origins(ACUITY_MOVES, to))
    allowed = or_(
        and_(sessions.c.is_acuity.is_(False), prescription),
        and_(sessions.c.is_acuity.is_(True), acuity),
    )
    values: dict[str, Any] = {
        "status": to.value,
        "missing_requirements": bindparam("missing_requirements"),
        "visual_acuity": bindparam("visual_acuity"),
        "updated_at": bindparam("now"),
    }
    return update(sessions).where(_OF_ID, allowed).values(**values).returning(*WHOLE)


_MOVES = {to: _move(to) for to in Status}
_REPLACED = (
    "charged_currency",
    "charged_amount",
    "products",
    "is_acuity",
    "store_id",
    "partner_info",
    "prescriptions",
)
_REPLACE = (
    update(sessions)
    .where(_OF_ID, sessions.c.status == Status.CREATED.value)
    .values({name: bindparam(name) for name in _REPLACED} | {"updated_at": bindparam("now")})
    .returning(*SHOWN)
)


def move(
    tx: Connection,
    session_id: int,
    to: Status,
    now: datetime,
    *,
    missing_requirements: list[str] | None = None,
    visual_acuity: Mapping[str, Any] | None = None,
) -> Row[Any] | None:
    """Move a session if its status allows it; None, and nothing is changed, if not.

    Gives the columns WHOLE. `missing_requirements` are kept with
    awaiting_confirmation, `visual_acuity` with completed.
    """
    changes = {
        "session_id": session_id,
        "missing_requirements": missing_requirements,
        "visual_acuity": visual_acuity,
        "now": now.replace(microsecond=0),
    }
    return tx.execute(_MOVES[to], changes).first()


def replace(
    tx: Connection, session_id: int, values: Mapping[str, Any], now: datetime
) -> Row[Any] | None:
    """Replace what a partner has said of a session whose exam has not begun; None otherwise."""
    changes = {"session_id": session_id, "now": now.replace(microsecond=0), **details(values)}
    return tx.execute(_REPLACE, changes).first()
