"""Products: each is everything that `make run` starts."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from tests.chaos.product import Product, run_product

Launch = Callable[..., AbstractContextManager[Product]]


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Let these tests take their time: they start everything anew."""
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.timeout(900))


@pytest.fixture
def launch(tmp_path: Path, templates: Callable[[str, str], str]) -> Launch:
    """Starts a product with variables of its own."""
    return lambda **environment: run_product(tmp_path, templates, **environment)


@pytest.fixture(scope="module")
def product(
    tmp_path_factory: pytest.TempPathFactory, templates: Callable[[str, str], str]
) -> Iterator[Product]:
    """One for the tests of a module that leave it as they find it."""
    with run_product(tmp_path_factory.mktemp("product"), templates) as running:
        yield running
