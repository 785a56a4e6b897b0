"""The commands about API accounts: add, list, revoke."""

from datetime import UTC, datetime

import click

from chassis.cli.invocation import Invocation
from chassis.server.roles import CLIENT, ROLES


@click.group(help="Manage the accounts that may call this service.")
def accounts() -> None:
    """The group `accounts`."""


@accounts.command(help="Add an account and print its secret, which is not shown again.")
@click.argument("name")
@click.option("--role", type=click.Choice(ROLES), default=CLIENT, show_default=True)
@click.pass_obj
def add(run: Invocation, name: str, role: str) -> None:
    """Add an account."""
    with run.change_reference() as tx:
        secret = run.service.accounts.add(tx, name, role)
    click.echo(secret)


@accounts.command("list", help="List names, roles, and the days of creation and revocation.")
@click.pass_obj
def list_(run: Invocation) -> None:
    """List accounts."""
    with run.open_store().read() as tx:
        for row in run.service.accounts.all(tx):
            ended = f"revoked {row.revoked_at:%Y-%m-%d}" if row.revoked_at else "live"
            click.echo(f"{row.name}\t{row.role}\t{row.created_at:%Y-%m-%d}\t{ended}")


@accounts.command(help="Revoke an account; within a second its calls are refused.")
@click.argument("name")
@click.pass_obj
def revoke(run: Invocation, name: str) -> None:
    """Revoke an account."""
    with run.change_reference() as tx:
        run.service.accounts.revoke(tx, name, datetime.now(UTC))
