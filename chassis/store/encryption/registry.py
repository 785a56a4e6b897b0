"""The registry of keys that a store was written with: the names and proofs of its keys.

A process adds its current key before it writes. A start whose ring lacks a registered key is
refused: its rows could not be read.
"""

from sqlalchemy import Column, MetaData, String, Table, delete, select

from chassis.store.database import Database, add_if_absent


class UnfitKeyring(Exception):
    """The ring does not fit the store; the text says what to do."""


def build_keys_table(metadata: MetaData) -> Table:
    """The table of registered keys, the same in each service."""
    return Table(
        "encryption_keys",
        metadata,
        Column("name", String(32), primary_key=True),
        Column("proof", String(32), nullable=False),
    )


def check_keyring(database: Database, table: Table) -> None:
    """Raise UnfitKeyring unless the ring of this process opens all that the store holds."""
    ring = database.keyring
    for name, proof in _read_registered(database, table).items():
        if ring is None:
            raise UnfitKeyring(
                f"The database has rows that are encrypted with the key {name}:"
                " set ENCRYPTION_KEYS."
            )
        if name not in ring.keys:
            raise UnfitKeyring(
                f"The database has rows that are encrypted with the key {name}, which"
                " ENCRYPTION_KEYS lacks: put it back, last in the file."
            )
        if ring.keys[name].proof != proof:
            raise UnfitKeyring(
                f"The key {name} of ENCRYPTION_KEYS is not the one that this database was"
                " encrypted with: rename the new key, and put the old one back."
            )


def register_key(database: Database, table: Table) -> None:
    """Add the current key to the registry: it is about to be written with."""
    ring = database.keyring
    if ring is None or ring.current.name in _read_registered(database, table):
        return
    with database.write() as tx:
        row = {"name": ring.current.name, "proof": ring.current.proof}
        add_if_absent(tx, table, row)


def forget_key(database: Database, table: Table, name: str) -> None:
    """Remove a key under which no row is left."""
    with database.write() as tx:
        tx.execute(delete(table).where(table.c.name == name))


def list_registered(database: Database, table: Table) -> list[str]:
    """Return the names of the registered keys."""
    return sorted(_read_registered(database, table))


def _read_registered(database: Database, table: Table) -> dict[str, str]:
    with database.read(single=True) as tx:
        rows = tx.execute(select(table.c.name, table.c.proof)).all()
    return {row.name: row.proof for row in rows}
