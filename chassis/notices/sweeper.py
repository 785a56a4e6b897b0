"""Deletes the messages of persons who were erased, where messages are files in a folder.

Whatever erases them (an RPC, the command, retention) marks their rows. The process that writes the
files looks for them again and again: neither a crash nor a file that was just being written leaves
one behind.
"""

import re
from pathlib import Path

from sqlalchemy import String, Table, bindparam, select

from chassis.background import BackgroundLoop
from chassis.notices.queue import ERASED
from chassis.store.database import Database

SWEEP_SECONDS = 60.0
BATCH = 500  # files that one query asks about
ID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")


class Sweeper:
    """The files of the messages in one table."""

    def __init__(self, database: Database, table: Table, folder: Path) -> None:
        self.database = database
        self.folder = folder
        ids = bindparam("ids", type_=String(), expanding=True)
        self._erased = select(table.c.id).where(table.c.id.in_(ids), table.c.outcome == ERASED)

    def create_loop(self, seconds: float = SWEEP_SECONDS) -> BackgroundLoop:
        """Return a loop that deletes what was erased meanwhile."""
        return BackgroundLoop("sweep messages", self.sweep, seconds)

    def sweep(self) -> int:
        """Delete the files whose messages were erased; return how many."""
        if not self.folder.is_dir():
            return 0
        found = [(ID.search(path.name), path) for path in self.folder.iterdir()]
        files = [(match[0], path) for match, path in found if match]
        deleted = 0
        for start in range(0, len(files), BATCH):
            some = files[start : start + BATCH]
            with self.database.read() as tx:
                erased = set(tx.execute(self._erased, {"ids": [id_ for id_, _ in some]}).scalars())
            for path in (path for id_, path in some if id_ in erased):
                path.unlink(missing_ok=True)
                deleted += 1
        return deleted
