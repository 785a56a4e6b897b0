"""The limits that an operator sets, and their defaults."""

import pytest

from gateway.rates.policies import Policy, name_variable, read_policies, read_store

DEFAULTS = {
    "anonymous": Policy("anonymous", 300, 60),
    "wrong-secrets": Policy("wrong-secrets", 20, 900),
    "wrong-secrets-by-address": Policy("wrong-secrets-by-address", 300, 900),
    "tokens": Policy("tokens", 600, 60),
    "logins": Policy("logins", 60, 60),
    "carts": Policy("carts", 60, 60),
    "tracking": Policy("tracking", 60, 60),
    "emails": Policy("emails", 20, 3600),
    "sms": Policy("sms", 10, 3600),
}


def test_callers_with_credentials_have_no_limit_by_default() -> None:
    assert read_policies({}) == DEFAULTS
    assert read_policies({"GATEWAY_LIMIT_CALLERS": "5/second"}) == {
        **DEFAULTS,
        "callers": Policy("callers", 5, 1),
    }


def test_each_limit_may_be_off() -> None:
    environ = {name_variable(name): "off" for name in DEFAULTS}
    assert read_policies(environ) == {}
    assert set(environ) >= {"GATEWAY_LIMIT_WRONG_SECRETS_BY_ADDRESS", "GATEWAY_LIMIT_SMS"}


@pytest.mark.parametrize(
    ("text", "amount", "seconds"),
    [
        ("1/second", 1, 1),
        ("100/minute", 100, 60),
        ("20/15 minutes", 20, 900),
        ("20 per 15 minute", 20, 900),
        ("1000000000/day", 1_000_000_000, 86400),
    ],
)
def test_a_limit_is_a_number_and_a_time(text: str, amount: int, seconds: int) -> None:
    found = read_policies({"GATEWAY_LIMIT_CARTS": text})["carts"]
    assert found == Policy("carts", amount, seconds)


@pytest.mark.parametrize(
    "text",
    ["x", "5", "0/minute", "-1/minute", "1/minute;2/hour", "1/minute,2/hour", "10000000000/day"],
)
def test_anything_else_ends_the_start(text: str) -> None:
    with pytest.raises(
        SystemExit, match="GATEWAY_LIMIT_CARTS must be off, or a number of requests"
    ):
        read_policies({"GATEWAY_LIMIT_CARTS": text})


def test_a_store_is_a_redis_or_a_valkey() -> None:
    assert read_store({}) == ""
    for url in ("redis://127.0.0.1:6379/1", "valkeys://x", "redis+unix:///run/redis.sock"):
        assert read_store({"GATEWAY_LIMIT_STORE": url}) == url
    for url in ("127.0.0.1:6379", "memcached://x", "async+redis://x"):
        with pytest.raises(SystemExit, match="GATEWAY_LIMIT_STORE must be the URL"):
            read_store({"GATEWAY_LIMIT_STORE": url})
