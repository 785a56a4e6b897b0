"""The commands that start the gateway, and everything at once."""

import os
import sys

import click

DEFAULT_BIND = "127.0.0.1:8080"


@click.command(help="Start the gateway and the services with demo data, until Ctrl-C.")
@click.argument("action", type=click.Choice(["start", "reset"]), default="start")
def demo(action: str) -> None:
    """Run the demo, or set its data back."""
    from demo.__main__ import main

    sys.exit(main([] if action == "start" else [action]))


@click.command(
    help="Serve HTTP in front of the three services, until SIGTERM. Further words are options of"
    " gunicorn, such as --workers 4. `optigate gateway health` exits 0 if the gateway at --bind and"
    " the services behind it are ready.",
    context_settings={"ignore_unknown_options": True},
)
@click.option("--bind", envvar="GATEWAY_BIND", default=DEFAULT_BIND, show_default=True)
@click.argument("words", nargs=-1, type=click.UNPROCESSED)
def gateway(bind: str, words: tuple[str, ...]) -> None:
    """Become gunicorn, or ask the gateway that runs."""
    if words == ("health",):
        _check_health(bind)
        return
    from demo.procfile import find_busy_address

    host, _, port = bind.rpartition(":")
    if host and port.isdecimal() and find_busy_address({"GATEWAY_BIND": bind}):
        raise click.ClickException(
            f"{bind} is in use, or not an address of this machine: set GATEWAY_BIND or --bind to"
            " another one."
        )
    program = [sys.executable, "-m", "gunicorn", "--bind", bind]
    config = ["--config", "python:gateway.gunicorn_conf", *words, "gateway:create_app()"]
    os.execv(program[0], [*program, *config])  # nosec B606


def _check_health(bind: str) -> None:
    from optigate.status import READY, ask_gateway

    if (said := ask_gateway(bind)) != READY:
        raise click.ClickException(f"{bind}: {said}")
