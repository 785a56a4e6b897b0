"""A store for commands and processes of a service."""

from collections.abc import Callable

import pytest


@pytest.fixture
def store(store_url: Callable[[str, str], str]) -> dict[str, str]:
    """The variable of a store of this test's own, with the demo data."""
    return {"DATABASE_URL": store_url("orders", "sqlite")}
