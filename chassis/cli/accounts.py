"""The commands about API accounts: add, list, revoke."""

from collections.abc import Callable
from datetime import UTC, datetime

import click
from sqlalchemy import Table

from chassis.server.accounts import CLIENT, ROLES, Accounts
from chassis.store.database import Database
from chassis.store.reference_cache import invalidate


def account_commands(
    accounts: Accounts, changes: Table, ensure_current: Callable[[Database], None]
) -> click.Group:
    """The group `accounts`."""

    @click.group("accounts", help="Manage the accounts that may call this service.")
    @click.pass_obj
    def group(database: Database) -> None:
        ensure_current(database)

    @group.command(help="Add an account and print its secret, which is not shown again.")
    @click.argument("name")
    @click.option("--role", type=click.Choice(ROLES), default=CLIENT, show_default=True)
    @click.pass_obj
    def add(database: Database, name: str, role: str) -> None:
        with database.write() as tx:
            secret = accounts.add(tx, name, role)
            invalidate(tx, changes)
        click.echo(secret)

    @group.command("list", help="List names, roles, and the days of creation and revocation.")
    @click.pass_obj
    def list_(database: Database) -> None:
        with database.read() as tx:
            for row in accounts.all(tx):
                ended = f"revoked {row.revoked_at:%Y-%m-%d}" if row.revoked_at else "live"
                click.echo(f"{row.name}\t{row.role}\t{row.created_at:%Y-%m-%d}\t{ended}")

    @group.command(help="Revoke an account; within a second its calls are refused.")
    @click.argument("name")
    @click.pass_obj
    def revoke(database: Database, name: str) -> None:
        with database.write() as tx:
            accounts.revoke(tx, name, datetime.now(UTC))
            invalidate(tx, changes)

    return group
