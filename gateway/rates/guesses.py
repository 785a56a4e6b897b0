"""Wrong secrets: counted once the service has refused them, so that a right one always passes."""

from collections.abc import Iterator
from contextlib import contextmanager

from flask import g, request
from werkzeug.exceptions import HTTPException

from chassis.errors import Refusal
from gateway.rates.limiter import (
    Quota,
    count_request,
    find_address,
    limit_address,
    write_seconds,
)
from gateway.requests import read_basic

TOO_MANY = (
    "The credentials are wrong, as were too many others from here; wait {seconds} before "
    "the next attempt. Right ones are accepted at any time."
)


def count_wrong_secret() -> Quota | None:
    """Count a refused secret by its address, and by address and name; return a spent quota.

    A request without credentials is no guess: it counts as an anonymous one.
    """
    if "Authorization" not in request.headers and "client_id" not in g:
        return None
    if not (address := find_address()):
        return None
    by_address = count_request("wrong-secrets-by-address", address)
    if by_address and by_address.is_exceeded:
        return by_address  # no counter for each name that a flood invents
    if not (name := find_name()):
        return None
    by_name = count_request("wrong-secrets", address, name)
    return by_name if by_name and by_name.is_exceeded else None


@contextmanager
def count_unusable() -> Iterator[None]:
    """Count a request for a token in which no credentials can be read, as one without any."""
    try:
        yield
    except (Refusal, HTTPException):
        if "client_id" not in g:  # else it was counted by its credentials
            limit_address("anonymous")
        raise


def find_name() -> str:
    """Return the name in the credentials; a bearer token has none."""
    if "client_id" in g:
        client_id: str = g.client_id
        return client_id
    basic = read_basic()
    return basic[0] if basic else ""


def write_refusal(quota: Quota) -> str:
    """Return what to say of one guess too many."""
    return TOO_MANY.format(seconds=write_seconds(quota.seconds_left))
