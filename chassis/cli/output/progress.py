"""Progress of long work on standard error: a bar on a terminal, plain lines without one."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from time import monotonic

import click

LINE_SECONDS = 2.0  # between plain lines, so that short work prints none

# Takes how much is done, and a word for what is being done.
Report = Callable[..., None]


@contextmanager
def show_progress(label: str, total: int) -> Iterator[Report]:
    """Show how much of `total` is done, as the block reports it."""
    if sys.stderr.isatty():
        with _show_bar(label, total) as report:
            yield report
    else:
        yield _build_lines(label, total)


@contextmanager
def _show_bar(label: str, total: int) -> Iterator[Report]:
    bar = click.progressbar(
        length=total, label=label, file=sys.stderr, item_show_func=lambda word: word
    )
    with bar:

        def report(done: int, word: str = "") -> None:
            bar.update(done - bar.pos, word)

        yield report


def _build_lines(label: str, total: int) -> Report:
    last = monotonic()

    def report(done: int, word: str = "") -> None:
        nonlocal last
        if monotonic() - last >= LINE_SECONDS:
            last = monotonic()
            click.echo(f"{label}: {done} of {total}{word and ', '}{word}", err=True)

    return report
