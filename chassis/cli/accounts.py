"""The commands about API accounts: add, list, rotate, revoke."""

import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

import click

from chassis.cli.invocation import Invocation
from chassis.cli.output.tables import json_option, print_result, print_rows
from chassis.settings.roles import CLIENT, ROLES

UNITS = {"m": 60, "h": 3600, "d": 86400}  # in seconds
MAX_OVERLAP_DAYS = 90
secret_file_option = click.option(
    "--secret-file",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="A file with the secret, instead of a random one that is printed.",
)


def parse_duration(_context: click.Context, _option: click.Parameter, text: str) -> timedelta:
    """Return a time such as 30m, 24h or 7d, or 0 for none; at most 90 days."""
    found = re.fullmatch(r"0|([0-9]{1,6})([mhd])", text, re.ASCII)
    seconds = int(found[1]) * UNITS[found[2]] if found and found[1] else 0
    if not found or seconds > MAX_OVERLAP_DAYS * UNITS["d"]:
        raise click.BadParameter(f"{text!r} is no time such as 30m, 24h or 7d, of at most 90d.")
    return timedelta(seconds=seconds)


@click.group(help="Manage the accounts that may call this service.")
def accounts() -> None:
    """The group `accounts`."""


@accounts.command(help="Add an account and print its secret, which is not shown again.")
@click.argument("name")
@click.option("--role", type=click.Choice(ROLES), default=CLIENT, show_default=True)
@secret_file_option
@json_option
@click.pass_obj
def add(run: Invocation, name: str, role: str, secret_file: Path | None, as_json: bool) -> None:
    """Add an account."""
    given = _read_secret(secret_file)
    secret = run.change_reference(lambda tx: run.service.accounts.add(tx, name, role, given))
    told = secret if given is None else f"{name} added"
    shown = {} if given else {"secret": secret}
    print_result({"account": name, "role": role, **shown}, as_json, told)


@accounts.command(
    help="Replace an account's secret and print the new one, which is not shown again. "
    "Every earlier secret is valid for the overlap."
)
@click.argument("name")
@click.option(
    "--overlap",
    callback=parse_duration,
    default="24h",
    show_default=True,
    help="Such as 30m, 24h or 7d; 0 when the old secret has leaked.",
)
@secret_file_option
@json_option
@click.pass_obj
def rotate(
    run: Invocation, name: str, overlap: timedelta, secret_file: Path | None, as_json: bool
) -> None:
    """Replace a secret."""
    given = _read_secret(secret_file)
    secret = run.change_reference(
        lambda tx: run.service.accounts.rotate(tx, name, overlap, datetime.now(UTC), given)
    )
    told = secret if given is None else f"{name} has a new secret"
    shown = {} if given else {"secret": secret}
    overlapping = {"overlap_seconds": int(overlap.total_seconds())}
    print_result({"account": name, **overlapping, **shown}, as_json, told)


@accounts.command("list", help="List names, roles, and the days of creation and revocation.")
@json_option
@click.pass_obj
def list_(run: Invocation, as_json: bool) -> None:
    """List accounts."""
    with run.open_store().read() as tx:
        overlaps = run.service.accounts.list_overlaps(tx, datetime.now(UTC))
        rows = [
            (
                row.name,
                row.role,
                f"{row.created_at:%Y-%m-%d}",
                f"revoked {row.revoked_at:%Y-%m-%d}" if row.revoked_at else "live",
                f"old secret until {overlaps[row.id]:%Y-%m-%d %H:%M} UTC"
                if not row.revoked_at and row.id in overlaps
                else None,
            )
            for row in run.service.accounts.all(tx)
        ]
    print_rows(("name", "role", "created", "state", "overlap"), rows, as_json)


@accounts.command(help="Revoke an account; within a second its calls are refused.")
@click.argument("name")
@json_option
@click.pass_obj
def revoke(run: Invocation, name: str, as_json: bool) -> None:
    """Revoke an account."""
    run.change_reference(lambda tx: run.service.accounts.revoke(tx, name, datetime.now(UTC)))
    print_result({"account": name, "state": "revoked"}, as_json)


def _read_secret(file: Path | None) -> str | None:
    """Return the secret in a file, if one is named; raises ClickException for a weak one."""
    if file is None:
        return None
    from chassis.settings.strength import MAX_SECRET_LENGTH, MIN_SECRET_LENGTH, WEAK, is_weak
    from chassis.settings.variables import read_secret_file

    try:
        secret = read_secret_file(file, "--secret-file")
    except ValueError as error:
        raise click.ClickException(str(error)) from None
    if not MIN_SECRET_LENGTH <= len(secret) <= MAX_SECRET_LENGTH:
        raise click.ClickException(
            f"{file}: the secret must have {MIN_SECRET_LENGTH} to {MAX_SECRET_LENGTH} characters."
        )
    if is_weak(secret):
        raise click.ClickException(f"{file}: the secret {WEAK[0].lower()}{WEAK[1:]}")
    return secret
