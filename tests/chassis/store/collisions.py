"""PostgreSQL itself rolls writes back in favour of others, as often as a test says."""

from collections.abc import Iterator
from contextlib import contextmanager

from chassis.store.database import Database

_COLLIDE = """
CREATE SEQUENCE collisions;
CREATE FUNCTION collide() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    -- No rollback takes back what a sequence has counted.
    IF nextval('collisions') <= {times} THEN
        RAISE EXCEPTION 'could not serialize access' USING ERRCODE = '{state}';
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER collide AFTER {write} ON {table} FOR EACH STATEMENT EXECUTE FUNCTION collide();
"""
_STOP = "DROP FUNCTION collide() CASCADE; DROP SEQUENCE collisions;"


@contextmanager
def collide(
    database: Database, write: str, table: str, times: int = 2, state: str = "40001"
) -> Iterator[None]:
    """Have the first INSERTs or UPDATEs of a table end with a conflict; all must have happened."""
    with database.write() as tx:
        tx.exec_driver_sql(_COLLIDE.format(write=write, table=table, times=times, state=state))
    try:
        yield
        with database.read() as tx:
            counted = tx.exec_driver_sql("SELECT last_value FROM collisions").scalar_one()
        assert counted > times
    finally:
        with database.write() as tx:
            tx.exec_driver_sql(_STOP)
