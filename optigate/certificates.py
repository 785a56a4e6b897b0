"""The command `optigate certificates`: a private authority, and a certificate per process."""

import re
import signal
import threading
from collections.abc import Mapping
from pathlib import Path

import click

from chassis.cli.output.tables import json_option, print_result

HOST = re.compile(r"(?!-)[a-z0-9-]{1,63}(?<!-)(\.(?!-)[a-z0-9-]{1,63}(?<!-))*", re.ASCII)
NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,62}", re.ASCII)
RESERVED = "authority"
DAY_SECONDS = 86400
LOCK_SECONDS = 30.0


@click.command(
    help="Make certificates for gRPC between processes, by an authority of their own, and renew"
    " those that end within 30 days. Each PROCESS is a name, or name=host,host with the hosts that"
    " others reach it by; its files are FOLDER/name/ca.pem, certificate.pem and key.pem. The key of"
    " the authority is in FOLDER/authority: keep it from the processes."
)
@click.option(
    "--folder",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path("tls"),
    show_default=True,
)
@click.option("--daily", is_flag=True, help="Go on until SIGTERM, and look once a day.")
@json_option
@click.argument("processes", metavar="PROCESS...", nargs=-1, required=True)
def certificates(folder: Path, daily: bool, processes: tuple[str, ...], as_json: bool) -> None:
    """Make what is missing or about to expire, and say what was made."""
    hosts = dict(_parse(each) for each in processes)
    stopped = threading.Event()
    if daily:
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: stopped.set())
    while True:
        try:
            made = renew(folder, hosts)
        except OSError as error:
            raise click.ClickException(f"{error.filename or folder}: {error.strerror}") from None
        told = f"{folder}: {'made ' + ', '.join(made) if made else 'all are valid'}"
        print_result({"folder": folder, "made": made}, as_json, told)
        if not daily or stopped.wait(DAY_SECONDS):
            return


def renew(folder: Path, hosts: Mapping[str, list[str]]) -> list[str]:
    """Make what is missing or about to expire; returns the names of what was made."""
    from datetime import UTC, datetime

    from chassis.locks import hold_file
    from optigate.authority import Issuer

    issuer = Issuer(folder, datetime.now(UTC).replace(microsecond=0))
    # Two runs at once would make two authorities.
    with hold_file(folder / RESERVED / "lock", LOCK_SECONDS):
        made = [RESERVED] if issuer.prepare() else []
        for name in hosts:
            issuer.trust(name)
        return made + [name for name, wanted in hosts.items() if issuer.issue(name, wanted)]


def _parse(text: str) -> tuple[str, list[str]]:
    """Return the name and the hosts of a process."""
    from ipaddress import ip_address

    name, _, listed = text.partition("=")
    hosts = listed.split(",") if listed else [name]
    if not NAME.fullmatch(name) or name == RESERVED:
        raise click.BadParameter(
            f"{name!r} is no name of a process: small letters, digits and hyphens.",
            param_hint="PROCESS",
        )
    for host in hosts:
        try:
            ip_address(host)
        except ValueError:
            if len(host) > 253 or not HOST.fullmatch(host):
                raise click.BadParameter(
                    f"{host!r} is neither an IP address nor a host name in small letters.",
                    param_hint="PROCESS",
                ) from None
    return name, hosts
