"""The short form of schemathesis over the OpenAPI documents; `make fuzz` is the long one."""

import json
from collections.abc import Iterator

import pytest

from tests.fuzz.documents import DOCUMENTS, Gateway, run_gateway, try_document
from tests.fuzz.hooks import fits_as_sent
from tests.serving import SERVICES

# Thousands of requests, which take long on a busy machine.
pytestmark = pytest.mark.timeout(900)

# The least number of cases in which each API was tried in every phase.
LEAST_CASES = {"sessions": 1500, "orders": 3500, "subscriptions": 2000}
EXAMPLES = 2


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


@pytest.mark.parametrize(
    ("query", "fits"),
    [
        ("status=&store_ref=false&payment_status=failed,paid&page=170&created_at=0526-04-29", True),
        ("", True),
        ("unknown=1", False),
        ("page=0", False),
        ("page=x", False),
        ("page=1&page=1", False),
        ("payment_status=nope,paid", False),
        ("created_at=x", False),
    ],
)
def test_a_complaint_is_dropped_only_where_the_query_fits_as_it_was_sent(
    query: str, fits: bool
) -> None:
    document = json.loads((DOCUMENTS / "subscriptions.json").read_text())
    (listed,) = (
        each["get"] for path, each in document["paths"].items() if path.endswith("/subscriptions")
    )
    assert fits_as_sent(listed["parameters"], f"http://x/?{query}") is fits
