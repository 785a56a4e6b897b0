"""The limits that an operator may set, each with its variable and its default."""

import os
from collections.abc import Mapping
from typing import NamedTuple

OFF = "off"
MAX_AMOUNT = 1_000_000_000
PREFIX = "GATEWAY_LIMIT_"
STORE_VARIABLE = f"{PREFIX}STORE"
STORE_SCHEMES = ("redis", "rediss", "redis+unix", "valkey", "valkeys", "valkey+unix")
# docs/operate.md says what each counts by. Callers with credentials have no limit unless it is set.
DEFAULTS = {
    "callers": OFF,
    "anonymous": "300/minute",
    "wrong-secrets": "20/15 minutes",
    "wrong-secrets-by-address": "300/15 minutes",
    "tokens": "600/minute",
    "logins": "60/minute",
    "carts": "60/minute",
    "tracking": "60/minute",
    "emails": "20/hour",
    "sms": "10/hour",
}


class Policy(NamedTuple):
    """So many requests within a window of so many seconds."""

    name: str
    amount: int
    seconds: int


def name_variable(policy: str) -> str:
    """Return the name of a policy's variable."""
    return PREFIX + policy.upper().replace("-", "_")


def read_policies(environ: Mapping[str, str] = os.environ) -> dict[str, Policy]:
    """Return the policies that are on, by name; an invalid variable ends the process."""
    policies = {}
    for name, default in DEFAULTS.items():
        variable = name_variable(name)
        policy = parse_policy(variable, name, environ.get(variable) or default)
        if policy:
            policies[name] = policy
    return policies


def parse_policy(variable: str, name: str, text: str) -> Policy | None:
    """Return the policy that a text such as 100/minute describes, None for off."""
    if text.strip().lower() == OFF:
        return None
    from limits import parse

    try:
        limit = parse(text)
    except ValueError:
        limit = None
    if limit is None or ";" in text or "," in text or not 1 <= limit.amount <= MAX_AMOUNT:
        raise SystemExit(
            f"{variable} must be off, or a number of requests and a time, "
            "such as 100/minute or 20/15 minutes."
        )
    return Policy(name, limit.amount, limit.get_expiry())


def read_store(environ: Mapping[str, str] = os.environ) -> str:
    """Return the URL of a Redis or Valkey that counts for all gateways; '' for memory."""
    url = environ.get(STORE_VARIABLE, "")
    if url and url.partition("://")[0] not in STORE_SCHEMES:
        raise SystemExit(
            f"{STORE_VARIABLE} must be the URL of a Redis or Valkey, such as redis://localhost:6379."
        )
    return url
