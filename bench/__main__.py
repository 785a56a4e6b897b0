"""Measurements. `python -m bench` alone is the comparison with the peers; --help tells the rest."""

import signal
import subprocess
import sys
import time
from pathlib import Path
from types import FrameType
from typing import Any

import click

from bench.experiments import catalogs, contenders, scale, single, subscriptions_scale
from bench.experiments.compare import Plan, compare
from bench.experiments.translate import translate as translate_
from bench.report.page import page
from bench.report.tables import table

BOTH = "both"


@click.group(invoke_without_command=True, help=__doc__)
@click.option("--engine", type=click.Choice([*contenders.ENGINES, BOTH]), default=BOTH)
@click.option("--rounds", type=click.IntRange(1), default=Plan.rounds, show_default=True)
@click.option("--seconds", type=float, default=Plan.seconds, show_default=True, help="Of a round.")
@click.option("--connections", type=int, default=Plan.connections, show_default=True)
@click.option("--quick", is_flag=True, help="One short round: whether it runs, not how fast.")
@click.option(
    "--out", type=click.Path(dir_okay=False, path_type=Path), default="data/bench.html",
    show_default=True, help="Where the HTML page goes.",
)  # fmt: skip
@click.pass_context
def cli(context: click.Context, /, engine: str, out: Path, quick: bool, **plan: Any) -> None:
    signal.signal(signal.SIGTERM, _leave)
    if context.invoked_subcommand is not None:
        return
    if quick:
        plan |= {"rounds": 1, "seconds": 1.0}
    engines = contenders.ENGINES if engine == BOTH else (engine,)
    outcome = compare(Plan(engines, **plan))
    click.echo(table(outcome))
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(page(outcome))
    click.echo(f"\n{out} has the charts.")
    sys.exit(1 if outcome.broken else 0)


def _leave(_number: int, _frame: FrameType | None) -> None:
    """SIGTERM ends what was started, as Ctrl-C does."""
    raise SystemExit(143)


PARTS: tuple[list[str], ...] = (
    [],  # the comparison
    *(
        ["ramp", "--contender", name, "--engine", engine]
        for engine in contenders.ENGINES
        for name in scale.PRODUCTS
    ),
    *(["sizes", "--engine", engine] for engine in contenders.ENGINES),
    *(["soak", "--engine", engine] for engine in contenders.ENGINES),
    ["catalogs"],
    ["subscriptions-scale"],
    ["translate"],
)


@cli.command(help="All of it, one after the other: about 45 minutes.")
def everything() -> None:
    broken = False
    for words in PARTS:
        click.echo(f"\n$ python -m bench {' '.join(words)}")
        began = time.monotonic()
        broken |= _ended(words) != 0
        click.echo(f"({time.monotonic() - began:.0f} s)")
    sys.exit(1 if broken else 0)


def _ended(words: list[str]) -> int:
    """The exit code of one part, which stops what it has started before it ends."""
    with subprocess.Popen([sys.executable, "-m", "bench", *words]) as part:
        try:
            return part.wait()
        except SystemExit:
            part.terminate()
            raise


@cli.command(help="What one order costs from bytes to the store, in one process.")
def translate() -> None:
    translate_()


for command in (
    *single.COMMANDS,
    *scale.COMMANDS,
    *catalogs.COMMANDS,
    *subscriptions_scale.COMMANDS,
):
    cli.add_command(command)

if __name__ == "__main__":
    cli(prog_name="python -m bench")
