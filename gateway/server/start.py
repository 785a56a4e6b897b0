"""Refuses to start a gateway whose settings are invalid, or would let personal data out."""

import os
import sys
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from chassis.settings.transport import is_loopback
from chassis.settings.variables import DEFAULT_PUBLIC_URL, is_production

NO_PUBLIC_URL = (
    "Other machines reach {}, and GATEWAY_PUBLIC_URL is not set. Set it to the URL at which people "
    "reach this gateway: links begin with it."
)
PRODUCTION_PUBLIC_URL = (
    "GATEWAY_PUBLIC_URL is not set, or is the default: set it to the URL at which people reach "
    "this gateway."
)
PRODUCTION_HTTP = "GATEWAY_PUBLIC_URL is plaintext: links must begin with https."
PRODUCTION_NO_HTTPS = (
    "Other machines reach {} over plain HTTP: set GATEWAY_TLS_CERT and GATEWAY_TLS_KEY, or "
    "GATEWAY_PROXIES where your own proxies speak TLS in front of it."
)
PRODUCTION_PLAINTEXT = (
    "Calls to {} are plaintext: set GRPC_TLS_CA. GRPC_PLAINTEXT=allow does not count in production."
)


def check_start(binds: Sequence[Any], *, is_https: bool) -> None:
    """End the process, with each reason, unless the gateway may serve on these addresses."""
    from gateway import read_environment

    try:
        settings = read_environment()
        problems = list(find_problems(settings, list(_find_exposed(binds)), is_https=is_https))
    except (SystemExit, ValueError) as error:
        problems = [str(error)]
    if problems:
        print(*(f"gateway: {problem}" for problem in problems), sep="\n", file=sys.stderr)
        sys.exit(os.EX_CONFIG)


def find_problems(
    settings: dict[str, Any], exposed: Sequence[str], *, is_https: bool
) -> Iterator[str]:
    """Yield what forbids the start; `exposed` are the addresses that other machines reach."""
    at, url = ", ".join(exposed), settings["PUBLIC_URL"]
    if not is_production(os.environ):
        if exposed and not os.environ.get("GATEWAY_PUBLIC_URL"):
            yield NO_PUBLIC_URL.format(at)
        return
    if url == DEFAULT_PUBLIC_URL:
        yield PRODUCTION_PUBLIC_URL
    elif url.startswith("http:"):
        yield PRODUCTION_HTTP
    if exposed and not is_https and not settings["PROXIES"]:
        yield PRODUCTION_NO_HTTPS.format(at)
    if settings["REMOTE"] and settings["GRPC_TLS"] is None:
        yield PRODUCTION_PLAINTEXT.format(", ".join(settings["REMOTE"]))


def _find_exposed(binds: Iterable[Any]) -> Iterator[str]:
    """Yield the TCP addresses that are not loopback; others are files and open sockets."""
    for bind in binds:
        if isinstance(bind, tuple) and not is_loopback(bind[0]):
            yield f"{bind[0]}:{bind[1]}"
