"""Sessions as SQLAlchemy's ORM tutorial opens them: one each request, one commit each write."""

from typing import Any

from sqlalchemy import create_engine, event, make_url
from sqlalchemy.orm import Session, sessionmaker

BUSY_SECONDS = 30


def open_sessions(url: str) -> sessionmaker[Session]:
    """Return the sessions of a service; each is a transaction of its own."""
    is_sqlite = make_url(url).get_backend_name() == "sqlite"
    engine = create_engine(url, connect_args={"timeout": BUSY_SECONDS} if is_sqlite else {})
    if is_sqlite:
        event.listen(engine, "connect", _prepare)
    return sessionmaker(engine, expire_on_commit=False)


def _prepare(connection: Any, _record: Any) -> None:
    cursor = connection.cursor()
    for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON"):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()
