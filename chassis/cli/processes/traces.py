"""Traces of a service's process, where the OTEL_ variables ask for them."""

import os

import click

from chassis.spans.start import start, stop


def start_traces(service: str) -> None:
    """Turn traces on until the command ends, before the store is opened."""
    try:
        start(service, os.environ)
    except ValueError as error:
        raise click.ClickException(str(error)) from None
    click.get_current_context().call_on_close(stop)
