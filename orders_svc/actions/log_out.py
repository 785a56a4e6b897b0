"""LogOut: end a dashboard session."""

from sqlalchemy import Connection

from orders_svc.store.access.logins import end_session


def log_out(tx: Connection, token: str) -> None:
    """End the session of this token."""
    end_session(tx, token)
