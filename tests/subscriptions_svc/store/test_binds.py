"""No statement of the store has a bind parameter without a type."""

import importlib
import pkgutil
from collections.abc import Iterator
from typing import Any

from sqlalchemy import bindparam, select
from sqlalchemy.sql import ClauseElement
from sqlalchemy.types import NullType

from subscriptions_svc import store
from subscriptions_svc.store.tables import subscriptions


def iterate_statements() -> Iterator[tuple[str, ClauseElement]]:
    """Yield every statement and condition that a module of the store holds, with its name."""
    for info in pkgutil.iter_modules(store.__path__, f"{store.__name__}."):
        for name, value in vars(importlib.import_module(info.name)).items():
            for each in value.values() if isinstance(value, dict) else (value,):
                if isinstance(each, ClauseElement):
                    yield f"{info.name}.{name}", each


def find_untyped_binds(statement: ClauseElement) -> list[str]:
    binds: Any = getattr(statement.compile(), "binds", {})
    return sorted(bind.key for bind in binds.values() if isinstance(bind.type, NullType))


def test_every_bind_parameter_has_a_type() -> None:
    statements = list(iterate_statements())
    assert len(statements) > 60
    untyped = [(name, binds) for name, each in statements if (binds := find_untyped_binds(each))]
    assert untyped == []


def test_a_parameter_on_the_left_has_none_of_its_own() -> None:
    untyped = select(subscriptions.c.id).where(bindparam("now") < subscriptions.c.renewal_at)
    typed = select(subscriptions.c.id).where(subscriptions.c.renewal_at > bindparam("now"))
    assert (find_untyped_binds(untyped), find_untyped_binds(typed)) == (["now"], [])
