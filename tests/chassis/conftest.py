"""The service of the tests' own, one a module."""

from collections.abc import Iterator

import pytest

from tests.chassis.probe import Probe, probe


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Probe]:
    """The service, on a store of this module."""
    with probe(tmp_path_factory.mktemp("probe")) as running:
        yield running
