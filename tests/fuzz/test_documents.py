"""The short form of schemathesis over the OpenAPI documents; `make fuzz` is the long one."""

from collections.abc import Iterator

import pytest

from tests.fuzz.documents import Gateway, run_gateway, try_document
from tests.serving import SERVICES

# Thousands of requests, which take long on a busy machine.
pytestmark = pytest.mark.timeout(900)

# The least number of cases in which each API was tried in every phase.
LEAST_CASES = {"sessions": 1500, "orders": 3500, "subscriptions": 2000}
EXAMPLES = 4


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    """A gateway under gunicorn, with the data of the documents' stories."""
    with run_gateway(tmp_path_factory.mktemp("documents")) as running:
        yield running


@pytest.mark.parametrize("service", SERVICES)
def test_no_answer_breaks_the_document(
    gateway: Gateway, service: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp(service)
    found = try_document(gateway, service, folder, examples=EXAMPLES, seed=1)
    assert found.is_clean, found.report
    assert found.cases >= LEAST_CASES[service], found.report
    for phase in ("Examples", "Coverage", "Fuzzing", "Stateful"):
        assert f"✅ {phase}" in found.report.replace("  ", " "), found.report
