"""Dashboard users of clients, and the labs they order from."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, Row, bindparam, delete, insert, select, update

from chassis.context import Account
from chassis.errors import NotFound
from orders_svc.store.tables import accounts, labs, user_labs, users

DEMO_USERS = ("optician@example.com", "second@example.com", "stranger@example.org")
DEMO_PASSWORD = "demo-password"
NO_PASSWORD = ""  # instead of a hash, until the user has accepted an invitation


_FIND_ID = select(users.c.id).where(
    users.c.account_id == bindparam("account_id"),
    users.c.email == bindparam("email"),
    users.c.disabled_at.is_(None),
)
_LABS = (
    select(labs.c.id, labs.c.name, user_labs.c.account_number)
    .join(user_labs, user_labs.c.lab_id == labs.c.id)
    .where(user_labs.c.user_id == bindparam("user_id"))
    .order_by(labs.c.name, labs.c.id, user_labs.c.account_number)
)
_SETTINGS = (
    select(labs.c.settings, users.c.hold_minutes)
    .join(user_labs, user_labs.c.lab_id == labs.c.id)
    .join(users, users.c.id == user_labs.c.user_id)
    .where(
        user_labs.c.user_id == bindparam("user_id"),
        user_labs.c.lab_id == bindparam("lab_id"),
        user_labs.c.account_number == bindparam("account_number"),
    )
)


def find_user_id(tx: Connection, account: Account, email: str) -> int | None:
    """Return the id of a client's user; the e-mail address must match exactly."""
    user_id: int | None = tx.execute(_FIND_ID, {"account_id": account.id, "email": email}).scalar()
    return user_id


def find_user(tx: Connection, email: str) -> Row[Any] | None:
    """Return the user with this e-mail address, whichever client they belong to."""
    return tx.execute(select(users).where(users.c.email == email)).first()


def get_user(tx: Connection, email: str) -> Row[Any]:
    """Return the user with this e-mail address; raises NotFound."""
    user = find_user(tx, email)
    if user is None:
        raise NotFound("No user has this e-mail address.")
    return user


def list_users(tx: Connection) -> Sequence[Row[Any]]:
    """Return every user with the name of their client, by e-mail address."""
    query = select(users, accounts.table.c.name.label("account")).join(
        accounts.table, accounts.table.c.id == users.c.account_id
    )
    return tx.execute(query.order_by(users.c.email)).all()


def find_demo_logins(tx: Connection) -> list[str]:
    """Return the e-mail addresses of the demo's users who still have its password."""
    from werkzeug.security import check_password_hash

    query = select(users.c.email, users.c.password_hash).where(
        users.c.email.in_(DEMO_USERS), users.c.disabled_at.is_(None)
    )
    return [
        email
        for email, password_hash in tx.execute(query.order_by(users.c.email))
        if check_password_hash(password_hash, DEMO_PASSWORD)
    ]


def hash_password(password: str) -> str:
    """Return the stored form of a password, by scrypt."""
    # With werkzeug comes its HTTP server: 3 MB, which few processes need.
    from werkzeug.security import generate_password_hash

    return generate_password_hash(password)


def add_user(tx: Connection, account_id: int, email: str, password_hash: str) -> int:
    """Add a user and return their id."""
    row = {"account_id": account_id, "email": email, "password_hash": password_hash}
    user_id: int = tx.execute(insert(users).values(row).returning(users.c.id)).scalar_one()
    return user_id


def update_user(tx: Connection, user_id: int, **values: Any) -> None:
    """Change columns of a user."""
    tx.execute(update(users).where(users.c.id == user_id).values(values))


def replace_labs(tx: Connection, user_id: int, entries: Sequence[dict[str, str]]) -> None:
    """Replace the labs of a user by these, each with `lab` and `account_number`."""
    tx.execute(delete(user_labs).where(user_labs.c.user_id == user_id))
    rows = [
        {"user_id": user_id, "lab_id": entry["lab"], "account_number": entry["account_number"]}
        for entry in entries
    ]
    if rows:
        tx.execute(insert(user_labs), rows)


def list_labs(tx: Connection, user_id: int) -> Sequence[Any]:
    """Return id, name and account_number of each lab of a user."""
    return tx.execute(_LABS, {"user_id": user_id}).all()


def find_settings(
    tx: Connection, user_id: int, lab_id: str, account_number: str
) -> dict[str, Any] | None:
    """Return the settings of a lab that the user has under this account number.

    The `hold_minutes` of the user, if they have any, take the place of the lab's.
    """
    key = {"user_id": user_id, "lab_id": lab_id, "account_number": account_number}
    row = tx.execute(_SETTINGS, key).first()
    if row is None:
        return None
    own = {} if row.hold_minutes is None else {"hold_minutes": row.hold_minutes}
    return {**row.settings, **own}
