"""Every public route has its row in docs/contracts."""

import re
from pathlib import Path

import pytest

from gateway import DIALECTS, create_app

CONTRACTS = Path(__file__).parent.parent / "docs" / "contracts"
FILES = {
    "/api/v2/partners": "sessions.md",
    "/v1": "orders.md",
    "/api/public/v1": "subscriptions.md",
}


def list_written(prefix: str) -> set[str]:
    """The calls that a contract lists, with every path parameter as `:`."""
    text = (CONTRACTS / FILES[prefix]).read_text()
    calls = re.findall(r"`((?:GET|POST|PUT|PATCH|DELETE) /[^`? ]*)", text)
    return {re.sub(r":\w+", ":", call).replace(f" {prefix}/", " /") for call in calls}


def list_served(prefix: str) -> set[str]:
    """The calls that the gateway answers below a prefix."""
    calls = set()
    for rule in create_app().url_map.iter_rules():
        if rule.rule.startswith(prefix + "/"):
            path = re.sub(r"<[^>]+>", ":", rule.rule.removeprefix(prefix))
            methods = (rule.methods or set()) - {"HEAD", "OPTIONS"}
            calls |= {f"{method} {path}" for method in methods}
    return calls


@pytest.mark.parametrize("prefix", [dialect.prefix for dialect in DIALECTS])
def test_contract_and_gateway_list_the_same_calls(prefix: str) -> None:
    assert list_served(prefix) == list_written(prefix)
