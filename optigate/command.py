"""The command `optigate`: a group that loads a command when it is run."""

from importlib import import_module

import click

# Each command: its module, its name there, and a sentence for the list of commands.
COMMANDS = {
    "certificates": (
        *("optigate.certificates", "certificates"),
        "Make and renew certificates for gRPC between processes.",
    ),
    "demo": ("optigate.processes", "demo", "Start everything with demo data, until Ctrl-C."),
    "gateway": ("optigate.processes", "gateway", "Serve HTTP in front of the three services."),
    "new": ("optigate.new.commands", "new", "Write the file of a partner, lab or merchant."),
    "orders": ("orders_svc.__main__", "cli", "The orders service: serve, migrate, load, ..."),
    "person": (
        *("optigate.person", "person"),
        "Export or erase what all services keep of one person.",
    ),
    "seed": ("optigate.seed", "seed", "Add a first account of each API to empty stores."),
    "sessions": ("sessions_svc.__main__", "cli", "The sessions service, by the same commands."),
    "status": ("optigate.status", "status", "Health, schemas and backlog of all four."),
    "subscriptions": (
        *("subscriptions_svc.__main__", "cli"),
        "The subscriptions service, by the same commands.",
    ),
    "welcome": ("optigate.welcome", "welcome", "Try a call of each API, and print it for curl."),
}


class Commands(click.Group):
    """Commands that are imported when they are run; the list of them imports none."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names of all commands."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Return a command, which is the object that `python -m` runs, too."""
        if cmd_name not in COMMANDS:
            return None
        module, name, _ = COMMANDS[cmd_name]
        command: click.Command = getattr(import_module(module), name)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the list of commands."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, told) for name, (_, _, told) in COMMANDS.items()])


def _print_version(context: click.Context, _option: click.Parameter, is_given: bool) -> None:
    if is_given:
        from chassis.settings.version import find_version

        click.echo(f"optigate {find_version()}")
        context.exit()


@click.group(cls=Commands, help="Optigate: sessions, orders and subscriptions of optical retail.")
@click.option(
    "--version",
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=_print_version,
    help="Print the version.",
)
def cli() -> None:
    """The command `optigate`."""
