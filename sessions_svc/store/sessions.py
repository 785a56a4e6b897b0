"""Queries on sessions.

A change of status is one conditional statement: of two concurrent changes that
exclude each other, the second finds its condition false and changes nothing, on
both engines.
"""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import (
    BigInteger,
    Column,
    ColumnElement,
    Connection,
    Integer,
    Row,
    Select,
    Update,
    and_,
    bindparam,
    func,
    or_,
    select,
    update,
)

from chassis.context import note_ids
from chassis.errors import Busy, NotFound, WrongState
from chassis.pages import compute_page_offset
from chassis.server.preconditions import check_version, has_version
from chassis.store.database import insert_if_absent
from sessions_svc.rules.acuity import ACUITY_SERVICE
from sessions_svc.rules.statuses import ALLOWED_ACUITY_MOVES, ALLOWED_MOVES, Status
from sessions_svc.store.personal import SESSIONS, USERS
from sessions_svc.store.tables import accounts, sessions, users
from sessions_svc.store.users import DETAIL_NAMES, upsert_user

# Where an acuity session goes by its results alone.
_BY_RESULTS = (Status.REFERRED, Status.AWAITING_CHECKOUT)
WRONG_MOVE = "The session's status does not let it become {to}."
# The columns of a session in a list.
LISTED_COLUMNS: tuple[Column[Any], ...] = (
    sessions.c.id,
    sessions.c.user_key,
    sessions.c.session_key,
    sessions.c.status,
    sessions.c.created_at,
    sessions.c.version,
)
# The columns of a single session.
SINGLE_COLUMNS: tuple[Column[Any], ...] = (
    *LISTED_COLUMNS,
    sessions.c.account_id,
    sessions.c.visual_acuity,
    sessions.c.eye_health,
    sessions.c.is_acuity,
    sessions.c.products,
    sessions.c.chosen_product,
    sessions.c.store_id,
    sessions.c.charged_amount,
    sessions.c.price_currency,
    sessions.c.price_amount,
    sessions.c.paid_at,
    sessions.c.paid_by,
    sessions.c.payment_reference,
)
# The columns that a partner may replace before the exam.
_REPLACEABLE_NAMES = (
    "charged_currency",
    "charged_amount",
    "products",
    "is_acuity",
    "store_id",
    "partner_info",
    "prescriptions",
    "verifications",
)

_HAS_USER = and_(
    sessions.c.account_id == bindparam("account_id"),
    sessions.c.user_key == bindparam("user_key"),
)
_HAS_KEY = sessions.c.session_key == bindparam("session_key")
_HAS_ID = sessions.c.id == bindparam("where_id")
_IS_PARTNERS = accounts.table.c.name == bindparam("name")
_SESSION: Select[Any] = select(*SINGLE_COLUMNS).where(_HAS_USER, _HAS_KEY)
_PARTNER_SESSION: Select[Any] = (
    select(*SINGLE_COLUMNS)
    .join(accounts.table, accounts.table.c.id == sessions.c.account_id)
    .where(_IS_PARTNERS, _HAS_KEY)
)
_RECORD: Select[Any] = (
    select(sessions, *(users.c[name] for name in DETAIL_NAMES))
    .join_from(sessions, users)
    .join(accounts.table, accounts.table.c.id == sessions.c.account_id)
    .where(_IS_PARTNERS, _HAS_KEY)
)
_FIND_VERSION = select(sessions.c.version).where(_HAS_ID)
_IS_PERSONS = sessions.c.user_key.in_(
    select(users.c.user_key).where(
        users.c.account_id == bindparam("account_id"),
        users.c.person_ref == bindparam("person_ref"),
    )
)
_HAS_ACCOUNT = sessions.c.account_id == bindparam("account_id")


def _list_by(*conditions: ColumnElement[bool]) -> tuple[Select[Any], Select[Any]]:
    """Return the statements that count sessions, and that read one page of them."""
    page = (
        select(*LISTED_COLUMNS)
        .where(*conditions)
        .order_by(sessions.c.created_at.desc(), sessions.c.id.desc())
        .limit(bindparam("limit", type_=Integer))
        .offset(bindparam("offset", type_=BigInteger))
    )
    return select(func.count()).select_from(sessions).where(*conditions), page


# By whether a list is of a user, and of a person.
_LISTS = {
    (True, False): _list_by(_HAS_USER),
    (False, True): _list_by(_HAS_ACCOUNT, _IS_PERSONS),
    (True, True): _list_by(_HAS_USER, _IS_PERSONS),
}
_INSERT = insert_if_absent(sessions, ["account_id", "session_key"]).returning(*LISTED_COLUMNS)


def _list_origins(moves: Mapping[Status, frozenset[Status]], to: Status) -> list[str]:
    return [origin.value for origin, targets in moves.items() if to in targets]


def _build_move(to: Status) -> Update:
    is_allowed = or_(
        and_(
            sessions.c.is_acuity.is_(False),
            sessions.c.status.in_(_list_origins(ALLOWED_MOVES, to)),
        ),
        and_(
            sessions.c.is_acuity.is_(True),
            sessions.c.status.in_(_list_origins(ALLOWED_ACUITY_MOVES, to)),
        ),
    )
    values: dict[str, Any] = {
        "status": to.value,
        "missing_requirements": bindparam("missing_requirements"),
        "visual_acuity": bindparam("visual_acuity"),
        "eye_health": bindparam("eye_health"),
        "updated_at": bindparam("updated_at"),
    }
    statement = update(sessions).where(_HAS_ID, is_allowed).values(**values)
    return statement.returning(*SINGLE_COLUMNS)


_MOVES = {to: _build_move(to) for to in Status}
_REPLACE = (
    update(sessions)
    .where(_HAS_ID, sessions.c.status == Status.CREATED.value)
    .values({name: bindparam(name) for name in (*_REPLACEABLE_NAMES, "updated_at")})
    .returning(*LISTED_COLUMNS)
)


def add_session(
    tx: Connection, account_id: int, values: Mapping[str, Any], now: datetime
) -> Row[Any] | None:
    """Store a new session and the newest details of its user; return its `LISTED_COLUMNS`.

    Returns None when the partner has used the session_key. The transaction must then
    be rolled back, because it contains the details of the user.
    """
    note_ids(values["user_key"], values["session_key"])
    moment = now.replace(microsecond=0)
    upsert_user(tx, account_id, values, now)
    row = {
        "account_id": account_id,
        "user_key": values["user_key"],
        "session_key": values["session_key"],
        "status": Status.CREATED.value,
        **_to_columns(values),
        "created_at": moment,
        "updated_at": moment,
    }
    return tx.execute(_INSERT, SESSIONS.seal(tx, row)).first()


def get_session(tx: Connection, account_id: int, user_key: str, session_key: str) -> Row[Any]:
    """Return the `SINGLE_COLUMNS` of a partner's session of this user; raise NotFound."""
    keys = {"account_id": account_id, "user_key": user_key, "session_key": session_key}
    note_ids(user_key, session_key)
    session = tx.execute(_SESSION, keys).first()
    if session is None:
        raise NotFound("You have no such session of this user.")
    return SESSIONS.open(tx, session)


def get_partner_session(tx: Connection, partner: str, session_key: str) -> Row[Any]:
    """Return the `SINGLE_COLUMNS` of a session of the partner with this account; raise NotFound."""
    return SESSIONS.open(tx, _get_for_desk(tx, _PARTNER_SESSION, partner, session_key))


def get_session_record(tx: Connection, partner: str, session_key: str) -> Row[Any]:
    """Return all columns of such a session, and the details of its user; raise NotFound."""
    record = _get_for_desk(tx, _RECORD, partner, session_key)
    return USERS.open(tx, SESSIONS.open(tx, record))


def list_sessions(
    tx: Connection, account_id: int, page: int, per_page: int, **who: str
) -> tuple[Sequence[Row[Any]], int]:
    """Return one page of the sessions of a user_key, a person_ref or both, and the number of all.

    The newest come first.
    """
    keys = {"account_id": account_id, **who}
    note_ids(*who.values())
    count, read = _LISTS["user_key" in who, "person_ref" in who]
    total: int = tx.execute(count, keys).scalar_one()
    window = {"limit": per_page, "offset": compute_page_offset(page, per_page)}
    return tx.execute(read, keys | window).all(), total


def move_session(
    tx: Connection,
    session: Row[Any],
    to: Status,
    now: datetime,
    *,
    missing_requirements: list[str] | None = None,
    visual_acuity: Mapping[str, Any] | None = None,
    eye_health: Mapping[str, bool] | None = None,
    versions: Collection[int] | None = None,
) -> Row[Any]:
    """Move a session to a status and return its `SINGLE_COLUMNS`; raise WrongState.

    `missing_requirements` belong to awaiting_confirmation, `visual_acuity` and `eye_health` to
    the end of an acuity session; every move clears what it does not set. Only a row of one of the
    `versions` is moved.
    """
    if session.is_acuity and to in _BY_RESULTS and not (visual_acuity or eye_health):
        raise WrongState(WRONG_MOVE.format(to=to))
    changes = {
        "where_id": session.id,
        "missing_requirements": missing_requirements,
        "visual_acuity": visual_acuity,
        "eye_health": eye_health,
        "updated_at": now.replace(microsecond=0),
    }
    statement = _MOVES[to].where(has_version(sessions.c.version, versions))
    moved = tx.execute(statement, SESSIONS.seal(tx, changes, session._mapping)).first()
    if moved is None:
        _refuse_other_version(tx, session.id, versions)
        raise WrongState(WRONG_MOVE.format(to=to))
    return SESSIONS.open(tx, moved)


def write_columns(
    tx: Connection, session: Row[Any], now: datetime, values: Mapping[str, Any]
) -> Row[Any]:
    """Write columns of a session and return its `SINGLE_COLUMNS`.

    Raises Busy for a session that has changed since it was read.
    """
    changes = {**values, "updated_at": now.replace(microsecond=0)}
    statement = (
        update(sessions)
        .where(sessions.c.id == session.id, sessions.c.version == session.version)
        .values(SESSIONS.seal(tx, changes, session._mapping))
        .returning(*SINGLE_COLUMNS)
    )
    written = tx.execute(statement).first()
    if written is None:
        raise Busy("The session is being changed: repeat the request.")
    return SESSIONS.open(tx, written)


def replace_details(
    tx: Connection,
    session: Row[Any],
    values: Mapping[str, Any],
    now: datetime,
    versions: Collection[int] | None = None,
) -> Row[Any]:
    """Replace what the partner may change before the exam; return the `LISTED_COLUMNS`.

    Raises WrongState in any other status than created, and for a row of none of the `versions`.
    """
    changes = {
        "where_id": session.id,
        "updated_at": now.replace(microsecond=0),
        **_to_columns(values),
    }
    statement = _REPLACE.where(has_version(sessions.c.version, versions))
    replaced = tx.execute(statement, SESSIONS.seal(tx, changes, session._mapping)).first()
    if replaced is None:
        _refuse_other_version(tx, session.id, versions)
        raise WrongState("The exam has begun, or the session has ended.")
    return replaced


def _refuse_other_version(
    tx: Connection, session_id: int, versions: Collection[int] | None
) -> None:
    """Raise WrongState if the session now has none of these versions."""
    if versions is not None:
        version = tx.execute(_FIND_VERSION, {"where_id": session_id}).scalar_one()
        check_version(version, versions)


def _get_for_desk(tx: Connection, query: Select[Any], partner: str, session_key: str) -> Row[Any]:
    note_ids(partner, session_key)
    session = tx.execute(query, {"name": partner, "session_key": session_key}).first()
    if session is None:
        raise NotFound("The partner has no such session.")
    return session


def _to_columns(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return the replaceable columns of a valid request's session."""
    order = values.get("order", {})
    products = [product["type"] for product in order.get("products", ())]
    return {
        "charged_currency": order.get("charged_currency"),
        "charged_amount": order.get("charged_amount"),
        "products": products,
        "is_acuity": ACUITY_SERVICE in products,
        "store_id": values.get("store_id"),
        "partner_info": values.get("partner_info"),
        "prescriptions": values.get("prescriptions", []),
        "verifications": None,
    }
