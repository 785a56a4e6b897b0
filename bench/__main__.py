"""Measurements. `python -m bench` alone is the comparison with the peers; see --help."""

import signal
import subprocess
import sys
import time
from pathlib import Path
from types import FrameType
from typing import Any

import click

from bench.experiments import (
    catalogs,
    contenders,
    encryption,
    replicas,
    scale,
    scale_out,
    single,
    subscriptions_scale,
    tls,
)
from bench.experiments.compare import Plan, compare
from bench.experiments.parts import channel, cores, metrics, null_rpc, traces, translate
from bench.report.page import build_page
from bench.report.tables import build_table

BOTH = "both"
SIGTERM_EXIT_CODE = 128 + signal.SIGTERM
QUICK_PLAN = {"rounds": 1, "seconds": 1.0, "starts_once": True}


@click.group(invoke_without_command=True, help=__doc__)
@click.option("--engine", type=click.Choice([*contenders.ENGINES, BOTH]), default=BOTH)
@click.option("--rounds", type=click.IntRange(1), default=Plan.rounds, show_default=True)
@click.option(
    "--seconds", type=float, default=Plan.seconds, show_default=True, help="Duration of a round."
)
@click.option("--connections", type=int, default=Plan.connections, show_default=True)
@click.option(
    "--rate",
    type=float,
    default=Plan.rate,
    show_default=True,
    help="Rate of the open loop, requests/s.",
)
@click.option(
    "--contender", "names", type=click.Choice(list(contenders.PRODUCTS)), multiple=True,
    help="Measure only this one; may be repeated. Default: all.",
)  # fmt: skip
@click.option("--quick", is_flag=True, help="One short round, to see whether it runs at all.")
@click.option(
    "--out", type=click.Path(dir_okay=False, path_type=Path), default="data/bench.html",
    show_default=True, help="Where the HTML page goes.",
)  # fmt: skip
@click.pass_context
def cli(
    context: click.Context, /, engine: str, names: tuple[str, ...], out: Path, quick: bool,
    **plan: Any,
) -> None:  # fmt: skip
    signal.signal(signal.SIGTERM, _exit_on_signal)
    if context.invoked_subcommand is not None:
        return
    if quick:
        plan |= QUICK_PLAN
    engines = contenders.ENGINES if engine == BOTH else (engine,)
    outcome = compare(Plan(engines, **plan, contenders=names or tuple(contenders.PRODUCTS)))
    click.echo(build_table(outcome))
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(build_page(outcome))
    click.echo(f"\n{out} has the charts.")
    sys.exit(1 if outcome.broken else 0)


def _exit_on_signal(_number: int, _frame: FrameType | None) -> None:
    """End whatever was started, as on Ctrl-C."""
    raise SystemExit(SIGTERM_EXIT_CODE)


PARTS: tuple[list[str], ...] = (
    [],  # the comparison
    *(
        ["ramp", "--contender", name, "--engine", engine]
        for engine in contenders.ENGINES
        for name in contenders.PRODUCTS
    ),
    ["replicas"],
    ["scale-out"],
    *(["sizes", "--engine", engine] for engine in contenders.ENGINES),
    *(["soak", "--engine", engine] for engine in contenders.ENGINES),
    *(["catalogs", "--engine", engine] for engine in contenders.ENGINES),
    *(["encryption", "--engine", engine] for engine in contenders.ENGINES),
    *(["subscriptions-scale", "--engine", engine] for engine in contenders.ENGINES),
    ["translate"],
    ["null-rpc"],
    ["metrics"],
    ["traces"],
    ["channel"],
    ["tls"],
    *(["cores", "--engine", engine] for engine in contenders.ENGINES),
)


@cli.command(help="Run every experiment, one after the other: about an hour.")
def everything() -> None:
    is_broken = False
    for words in PARTS:
        click.echo(f"\n$ python -m bench {' '.join(words)}")
        began = time.monotonic()
        is_broken |= _run_part(words) != 0
        click.echo(f"({time.monotonic() - began:.0f} s)")
    sys.exit(1 if is_broken else 0)


def _run_part(words: list[str]) -> int:
    """Return the exit code of one part, which stops what it has started before it ends."""
    with subprocess.Popen([sys.executable, "-m", "bench", *words]) as part:
        try:
            return part.wait()
        except SystemExit:
            part.terminate()
            raise


for module in (
    single,
    scale,
    replicas,
    scale_out,
    catalogs,
    encryption,
    subscriptions_scale,
    translate,
    null_rpc,
    metrics,
    traces,
    channel,
    tls,
    cores,
):
    for command in module.COMMANDS:
        cli.add_command(command)

if __name__ == "__main__":
    cli(prog_name="python -m bench")
