"""What a test sees of the statements that a store executes, however they are executed."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from unittest import mock

from sqlalchemy import Connection, Engine, event

from chassis.store.prepared import Prepared


@contextmanager
def watch_statements(engine: Engine, note: Callable[[str], object]) -> Iterator[None]:
    """Call `note` with the text of each statement, before it is executed by this engine."""
    run = Prepared._run

    def hear(_tx: Any, _cursor: Any, statement: str, *_: Any) -> None:
        note(statement)

    def hear_prepared(self: Prepared, tx: Connection, parameters: Any, fetch: Any) -> Any:
        if tx.engine is engine:
            note(self.compile(tx.dialect, parameters).text)
        return run(self, tx, parameters, fetch)

    event.listen(engine, "before_cursor_execute", hear)
    try:
        with mock.patch.object(Prepared, "_run", hear_prepared):
            yield
    finally:
        event.remove(engine, "before_cursor_execute", hear)
