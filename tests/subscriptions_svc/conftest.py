"""Every statement that these tests run is watched: none may bind a parameter without a type."""

from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import Engine, event
from sqlalchemy.types import NullType


@pytest.fixture(autouse=True)
def every_bind_is_typed(request: pytest.FixtureRequest) -> Iterator[None]:
    """Fail a test in which a statement bound an untyped parameter, in whatever thread.

    SQLAlchemy hands an untyped value to the driver as it is, and an instant written so does not
    compare with one that `Instant` has written. Migrations know no types but those they name, and
    `Prepared` looks itself.
    """
    if request.path.name == "test_migrations.py":
        yield
        return
    untyped: set[tuple[str, str]] = set()

    def watch(_c: Any, _u: Any, statement: str, _p: Any, context: Any, _m: Any) -> None:
        binds = getattr(context.compiled, "binds", {})
        for bind in binds.values():
            if isinstance(bind.type, NullType):
                untyped.add((bind.key, statement))

    event.listen(Engine, "before_cursor_execute", watch)
    yield
    event.remove(Engine, "before_cursor_execute", watch)
    assert untyped == set()
