"""AcceptInvitation: set the password of an invited user."""

from datetime import datetime

from sqlalchemy import Connection

from orders_svc.store.access.invitations import use_invitation
from orders_svc.store.access.users import update_user


def accept_invitation(tx: Connection, token: str, password_hash: str, now: datetime) -> None:
    """Set the password; raises NotFound, also for the second of two at once."""
    update_user(tx, use_invitation(tx, token, now), password_hash=password_hash)
