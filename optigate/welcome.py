"""The command `optigate welcome`: tries a call of each API, and prints it for curl."""

from pathlib import Path
from typing import NamedTuple

import click

from optigate.seed import FIRST, secrets_option

TIMEOUT_SECONDS = 10
UNAUTHORIZED = 401


class Try(NamedTuple):
    """A call that an account makes with its secret: the path, and a form where it is a POST."""

    path: str
    form: str = ""


TRIES = {
    "sessions": Try("/api/v2/partners/me"),
    "orders": Try("/v1/oauth/token", "grant_type=client_credentials"),
    "subscriptions": Try("/api/public/v1/me"),
}


@click.command(
    help="Call each API as its first account (see `optigate seed`) and print the calls that work,"
    " for curl. Accounts whose secret was changed are named instead."
)
@click.option(
    "--gateway",
    default="http://127.0.0.1:8080",
    show_default=True,
    help="Where it is called from here.",
)
@click.option(
    "--public-url",
    envvar="GATEWAY_PUBLIC_URL",
    help="Where people reach it, for the calls that are printed.  [default: as --gateway]",
)
@secrets_option
def welcome(gateway: str, public_url: str | None, folder: Path) -> None:
    """Try each call, and print it."""
    public = (public_url or gateway).rstrip("/")
    lines = []
    for first in FIRST:
        attempt, secret = TRIES[first.service], _read_secret(folder / first.account)
        if secret is None:
            continue
        if _call(gateway.rstrip("/"), attempt, first.account, secret):
            form = f" -d {attempt.form}" if attempt.form else ""
            lines.append(f"curl -u {first.account}:{secret}{form} {public}{attempt.path}")
        else:
            lines.append(f"{first.account}: refused, its secret was changed")
    click.echo(f"Optigate is up: {public}")
    click.echo("".join(f"\n  {line}" for line in lines))


def _read_secret(file: Path) -> str | None:
    """Return the secret of a file; None where there is no such file."""
    try:
        return file.read_text().strip()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise click.ClickException(f"{file}: {error.strerror}") from None


def _call(gateway: str, attempt: Try, account: str, secret: str) -> bool:
    """Return whether the call succeeds; False where the secret is refused."""
    import http.client
    import urllib.error
    import urllib.request
    from base64 import b64encode

    basic = b64encode(f"{account}:{secret}".encode()).decode()
    url = gateway + attempt.path
    try:
        request = urllib.request.Request(
            url, attempt.form.encode() or None, {"Authorization": f"Basic {basic}"}
        )
        urllib.request.urlopen(request, timeout=TIMEOUT_SECONDS).close()  # nosec B310
    except urllib.error.HTTPError as error:
        error.close()
        if error.code == UNAUTHORIZED:
            return False
        raise click.ClickException(f"{url}: the answer is {error.code}") from None
    except (OSError, ValueError, http.client.HTTPException) as error:
        raise click.ClickException(f"{url}: {error}") from None
    return True
