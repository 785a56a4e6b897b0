"""Devices on which users have logged in before.

A device's token opens nothing: it only keeps attempts that others make from counting against its
user (OWASP, "Slow Down Online Guessing Attacks with Device Cookies"). Of it only a hash is stored.
"""

import secrets
from datetime import datetime

from sqlalchemy import Connection, bindparam, delete, exists, select

from chassis.server.accounts import hash_secret
from chassis.store.database import upsert
from orders_svc.rules.dashboard import DEVICE_LIFETIME, MAX_DEVICES
from orders_svc.store.tables import dashboard_sessions, login_devices, users

_HAS_EMAIL = users.c.email == bindparam("email")
_HAS_DEVICE = exists().where(
    login_devices.c.token_hash == bindparam("device_hash"),
    login_devices.c.expires_at > bindparam("now"),
    login_devices.c.user_id == users.c.id,
    _HAS_EMAIL,
)
_HAS_SESSION = exists().where(
    dashboard_sessions.c.token_hash == bindparam("session_hash"),
    dashboard_sessions.c.expires_at > bindparam("now"),
    dashboard_sessions.c.user_id == users.c.id,
    _HAS_EMAIL,
)
_FIND_TRUSTED = select(_HAS_DEVICE.label("device"), _HAS_SESSION.label("session"))
_IS_DEVICE = select(
    exists().where(
        login_devices.c.token_hash == bindparam("device_hash"),
        login_devices.c.expires_at > bindparam("now"),
    )
)
_REMEMBER = upsert(login_devices, ["expires_at"])
_NEWEST = (
    select(login_devices.c.token_hash)
    .where(login_devices.c.user_id == bindparam("user_id"))
    .order_by(login_devices.c.expires_at.desc(), login_devices.c.token_hash)
    .limit(MAX_DEVICES)
)
_FORGET_OLDEST = delete(login_devices).where(
    login_devices.c.user_id == bindparam("user_id"),
    login_devices.c.token_hash.not_in(_NEWEST.scalar_subquery()),
)


def find_trusted(tx: Connection, email: str, device: str, session: str, now: datetime) -> str:
    """Return which of these tokens is of a device, or of a live session, of this user; else ''."""
    if not (device or session):
        return ""
    key = {
        "email": email,
        "device_hash": hash_secret(device),
        "session_hash": hash_secret(session),
        "now": now,
    }
    found = tx.execute(_FIND_TRUSTED, key).one()
    return device if found.device else session if found.session else ""


def remember_device(tx: Connection, user_id: int, device: str, now: datetime) -> str:
    """Remember that the user has logged in on this device; return its token.

    A token that was not issued here, or has expired, is replaced by a new one.
    """
    tx.execute(delete(login_devices).where(login_devices.c.expires_at <= now))
    key = {"device_hash": hash_secret(device), "now": now}
    if not (device and tx.execute(_IS_DEVICE, key).scalar()):
        device = secrets.token_urlsafe(32)
    row = {
        "token_hash": hash_secret(device),
        "user_id": user_id,
        "expires_at": now + DEVICE_LIFETIME,
    }
    tx.execute(_REMEMBER, row)
    tx.execute(_FORGET_OLDEST, {"user_id": user_id})
    return device


def forget_devices(tx: Connection, user_id: int) -> None:
    """Forget every device of a user."""
    tx.execute(delete(login_devices).where(login_devices.c.user_id == user_id))
