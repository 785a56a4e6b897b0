"""Which secrets in files are refused as easy to guess."""

import secrets
import tomllib
from pathlib import Path

import pytest

from chassis.settings.strength import is_weak
from tests.serving import SERVICES, get_definition

DEMO = Path(__file__).parents[3] / "demo"


@pytest.mark.parametrize(
    "secret",
    [
        *("a" * 16, "ab" * 8, "passwordpassword", "changemechangeme", "1234567890123456"),
        *("0123456789abcdef", "abcdefghijklmnop", "secretsecretsecret", "aaaaaaaaaaaaaaab", ""),
        *("\U0001f576" * 16, "aaaabbbbccccdddd", "11111111-2222222"),
        *("aabbccddeeffgghh", "112233445566778899", "aa11bb22cc33dd44", "ab12cd34ef56gh78"),
    ],
)
def test_repeats_and_sequences_are_weak(secret: str) -> None:
    assert is_weak(secret)


def test_random_secrets_are_not() -> None:
    for make in (secrets.token_urlsafe, secrets.token_hex):
        assert not any(is_weak(make(16)) for _ in range(1000))
    assert not is_weak("correct horse battery staple")


def test_single_steps_in_a_random_secret_are_chance() -> None:
    """Hex digits that have many neighbours side by side: one of six million has that many."""
    assert not is_weak("0debcc5698baa88bc98cd00bc0154389")


@pytest.mark.parametrize("service", SERVICES)
def test_the_demo_data_loads_and_production_knows_its_secrets(service: str) -> None:
    accounts = tomllib.loads((DEMO / f"{service}.toml").read_text())["accounts"]
    assert {each["secret"] for each in accounts} == set(get_definition(service).demo_secrets)
    assert not any(is_weak(each["secret"]) for each in accounts)
