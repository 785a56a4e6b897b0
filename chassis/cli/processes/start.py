"""What must be settled before a service starts to listen.

Settings that would let personal data out are refused with the sentence that says why, all at once.
"""

import os
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import click

from chassis.settings.transport import (
    ServerFiles,
    allows_plaintext,
    find_remote,
    read_server_files,
)
from chassis.settings.variables import DEFAULT_PUBLIC_URL, check_public_url, is_production

if TYPE_CHECKING:
    from chassis.cli.service import Service
    from chassis.server.tls import Certificates
    from chassis.store.database import Database

NO_PUBLIC_URL = (
    "Other machines reach {}, and GATEWAY_PUBLIC_URL is not set: links would lead to an address "
    "that nobody configured. Set it to the URL at which people reach the gateway."
)
NO_TLS = (
    "Other machines reach {}, and gRPC there would be plaintext, for everybody on the way to read. "
    "Set GRPC_TLS_CERT and GRPC_TLS_KEY, or GRPC_PLAINTEXT=allow where the network is trusted."
)
PRODUCTION_NO_TLS = (
    "Other machines reach {}, and gRPC there is plaintext: set GRPC_TLS_CERT and GRPC_TLS_KEY. "
    "GRPC_PLAINTEXT=allow does not count in production."
)
PRODUCTION_PUBLIC_URL = (
    "GATEWAY_PUBLIC_URL is not set, or is the default: set it to the URL at which people reach the "
    "gateway."
)
PRODUCTION_HTTP = "GATEWAY_PUBLIC_URL is plaintext: links must begin with https."
PRODUCTION_REFLECTION = "REFLECTION is on: it describes every call to whoever asks."


@dataclass(frozen=True)
class StartSettings:
    """Settings with which a service may listen."""

    public_url: str
    files: ServerFiles | None

    def load_certificates(self) -> "Certificates | None":
        """Read the certificates, if there are any; raises ClickException."""
        if self.files is None:
            return None
        from chassis.server.tls import Certificates

        try:
            return Certificates(self.files)
        except (OSError, ValueError) as error:
            raise click.ClickException(
                f"GRPC_TLS_CERT, GRPC_TLS_KEY, GRPC_TLS_CLIENT_CA: {error}"
            ) from None


def read_settings(
    addresses: Sequence[str],
    public_url: str | None,
    reflection: bool,
    find_demo: Callable[[], Iterable[str]] = tuple,
) -> StartSettings:
    """Return the settings of a service on these addresses; raises ClickException.

    In production `find_demo` returns what else is wrong.
    """
    try:
        files, production = read_server_files(os.environ), is_production(os.environ)
        is_allowed = allows_plaintext(os.environ)
        url = check_public_url(public_url or DEFAULT_PUBLIC_URL)
    except ValueError as error:
        raise click.ClickException(str(error)) from None
    exposed = ", ".join(find_remote(addresses))
    if production:
        problems = [*_find_unfit(url, exposed, files, reflection), *find_demo()]
        if problems:
            lines = "".join(f"\n  - {problem}" for problem in problems)
            raise click.ClickException(f"ENVIRONMENT=production does not allow this start:{lines}")
    elif exposed:
        problems = [] if public_url else [NO_PUBLIC_URL.format(exposed)]
        if files is None and not is_allowed:
            problems.append(NO_TLS.format(exposed))
        if problems:
            raise click.ClickException("\n".join(problems))
    return StartSettings(url, files)


def _find_unfit(
    url: str, exposed: str, files: ServerFiles | None, reflection: bool
) -> Iterable[str]:
    if url == DEFAULT_PUBLIC_URL:
        yield PRODUCTION_PUBLIC_URL
    elif url.startswith("http:"):
        yield PRODUCTION_HTTP
    if exposed and files is None:
        yield PRODUCTION_NO_TLS.format(exposed)
    if reflection:
        yield PRODUCTION_REFLECTION


def find_demo_data(database: "Database", service: "Service") -> Iterable[str]:
    """Return what is left of the demo data in a store: everybody knows its secrets."""
    with database.read() as tx:
        names = service.accounts.find_by_secrets(tx, service.demo_secrets, datetime.now(UTC))
        logins = service.find_demo_logins(tx)
    for name in names:
        yield (
            f"The account {name} has a secret of the demo data: "
            f"run `accounts rotate {name} --overlap 0` or `accounts revoke {name}`."
        )
    for email in logins:
        yield (
            f"The user {email} has the password of the demo data: "
            f"run `users reset {email}` or `users disable {email}`."
        )
