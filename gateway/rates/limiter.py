"""Counts requests against policies, refuses those beyond, and tells callers what is left.

A window is fixed, and begins for each key at a moment of its own, so that not all callers come
back in the same second. Of credentials, codes and addresses only a hash is kept.
"""

from collections.abc import Callable, Iterable, Mapping
from hashlib import sha256
from time import time
from typing import NamedTuple, Protocol

from flask import Response, current_app, g, request
from werkzeug.exceptions import TooManyRequests

from gateway.rates.policies import Policy
from gateway.server.limits import find_network

REFUSED = "There were too many requests; try again in {seconds}."


class Counters(Protocol):
    """Where requests are counted."""

    def increment(self, policy: str, key: str, now: float, end: float) -> int | None: ...


class Quota(NamedTuple):
    """What is left of a policy for one caller."""

    policy: Policy
    used: int
    seconds_left: int  # of the window

    @property
    def remaining(self) -> int:
        """Requests left."""
        return max(0, self.policy.amount - self.used)

    @property
    def is_exceeded(self) -> bool:
        """Whether there were more requests than allowed."""
        return self.used > self.policy.amount


class Limiter:
    """Policies, and the counters of their keys."""

    def __init__(self, policies: Mapping[str, Policy], counters: Counters) -> None:
        self.policies = policies
        self.counters = counters
        self.observe_refusal: Callable[[str], None] | None = None

    def count(self, name: str, *parts: str) -> Quota | None:
        """Count a request for what `parts` identify.

        Returns None if the policy is off, or while its store is away.
        """
        policy = self.policies.get(name)
        if policy is None:
            return None
        digest = sha256("\n".join(parts).encode(errors="surrogateescape")).digest()
        now, seconds = time(), policy.seconds
        offset = int.from_bytes(digest[-8:], "big") % seconds
        window = int(now + offset) // seconds
        end = (window + 1) * seconds - offset
        key = f"{digest[:16].hex()}/{window}"
        count = self.counters.increment(name, key, now, end)
        if count is None:
            return None
        quota = Quota(policy, count, max(1, round(end - now)))
        if self.observe_refusal is not None and quota.is_exceeded:
            self.observe_refusal(name)
        return quota


def build_limiter(policies: Mapping[str, Policy], store: str) -> Limiter:
    """Return a limiter that counts in the store at this URL, or in memory."""
    if store:
        from gateway.rates.shared import SharedCounters

        return Limiter(policies, SharedCounters(store))
    from gateway.rates.counters import MemoryCounters

    return Limiter(policies, MemoryCounters())


def count_request(name: str, *parts: str) -> Quota | None:
    """Count the request at hand, whose answer will say what is left; return that."""
    limiter: Limiter | None = current_app.extensions.get("limiter")
    quota = limiter.count(name, *parts) if limiter else None
    if quota:
        quotas: list[Quota] = g.setdefault("quotas", [])
        quotas.append(quota)
    return quota


def limit_request(name: str, *parts: str) -> None:
    """Count the request at hand; raise TooManyRequests beyond the policy."""
    quota = count_request(name, *parts)
    if quota and quota.is_exceeded:
        text = REFUSED.format(seconds=write_seconds(quota.seconds_left))
        raise TooManyRequests(text, retry_after=quota.seconds_left)


def limit_address(name: str) -> None:
    """Count the request at hand by its address, if it has one: an IPv6 one by its /64."""
    if address := find_address():
        limit_request(name, address)


def find_address() -> str:
    """Return what the caller's address counts as; '' for a caller through a file."""
    address = request.remote_addr
    if not address:
        return ""
    try:
        return find_network((address, 0))
    except ValueError:  # written by a proxy, and no address
        return address


def write_fields(response: Response, quotas: Iterable[Quota]) -> None:
    """Add the RateLimit fields (draft-ietf-httpapi-ratelimit-headers-10)."""
    response.headers["RateLimit-Policy"] = ", ".join(
        f'"{each.policy.name}";q={each.policy.amount};w={each.policy.seconds}' for each in quotas
    )
    response.headers["RateLimit"] = ", ".join(
        f'"{each.policy.name}";r={each.remaining};t={each.seconds_left}' for each in quotas
    )


def write_seconds(seconds: int) -> str:
    """Return a number of seconds in words."""
    return f"{seconds} second{'s' if seconds != 1 else ''}"
