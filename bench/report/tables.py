"""What a comparison has shown, as tables in plain text; `page` makes HTML of it."""

from bench.experiments.compare import (
    DIRECT,
    FLOORS,
    HOP,
    INSERT,
    NULL_CALL,
    NULL_ROUTE,
    OPTIGATE,
    POST_ORDER,
    Outcome,
)
from bench.experiments.floors import CORE, RAW
from bench.load.generator import PERCENTILES
from bench.report.measure import Row, Rows

TITLES = {"sqlite": "SQLite, synchronous=FULL", "postgresql": "PostgreSQL, fsync on"}
MEGABYTE = 1e6


def table(outcome: Outcome) -> str:
    """The whole outcome as text."""
    lines = [outcome.machine]
    for engine in outcome.rows.engines():
        lines += ["", f"== {TITLES[engine]} =="]
        for work in outcome.rows.works(engine):
            if work not in FLOORS:
                lines += ["", work, *_grid(figures(outcome.rows.of(engine, work)))]
        lines += ["", "Floors", *_grid(floor_figures(outcome.rows, engine))]
        lines += ["", "Ratios", *_grid(ratios(outcome.rows, engine))]
        lines += ["", f"CPU of one {POST_ORDER}, us", *_grid(own_cost(outcome.rows, engine))]
        lines += ["", "Memory after the load, MB RSS", *_grid(memory(outcome, engine))]
    if outcome.notes:
        lines += ["", "Notes", *(f"  {note}" for note in outcome.notes)]
    lines += ["", "Broken promises", *(f"  {fault}" for fault in outcome.broken or ["none"])]
    return "\n".join(lines)


Cells = list[list[str]]


def _grid(cells: Cells) -> list[str]:
    """Columns side by side: the first to the left, the others to the right."""
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    return [
        "  " + "  ".join([row[0].ljust(widths[0]), *map(str.rjust, row[1:], widths[1:])]).rstrip()
        for row in cells
    ]


def figures(rows: list[Row]) -> Cells:
    """One work: a line for each contender."""
    head = ["", "req/s", *(f"{name} ms" for name in PERCENTILES), "errors", "CPU us", "client us"]
    return [head, *map(_figures, rows)]


def _figures(row: Row) -> list[str]:
    latencies = [f"{row.latencies[name]:.1f}" if row.latencies else "" for name in PERCENTILES]
    errors = str(row.errors.total())
    cpu, client = f"{row.total_cpu:.0f}", f"{row.client:.0f}" if row.client else ""
    return [row.contender, f"{row.throughput:.0f}", *latencies, errors, cpu, client]


def floor_figures(rows: Rows, engine: str) -> Cells:
    found = [row for work in FLOORS for row in rows.of(engine, work)]
    head = figures([])[0]
    return [head, *([row.work, *_figures(row)[1:]] for row in found)]


def ratios(rows: Rows, engine: str) -> Cells:
    """Optigate to each peer at each work; and gRPC directly to HTTP."""
    cells = [["Optigate / peer", "peer", "req/s", "p50", "p99", "CPU us"]]
    for work in rows.works(engine):
        ours = rows.find(engine, work, OPTIGATE)
        for row in rows.of(engine, work):
            if ours is not None and row is not ours:
                cells.append([work, row.contender, *_ratio(ours, row)])
    ours, direct = rows.find(engine, POST_ORDER, OPTIGATE), rows.find(engine, DIRECT, OPTIGATE)
    if ours is not None and direct is not None:
        cells.append(["gRPC directly / HTTP", "itself", *_ratio(direct, ours)])
    return cells


def _ratio(one: Row, other: Row) -> list[str]:
    pairs = [
        (one.throughput, other.throughput),
        *((one.latencies[name], other.latencies[name]) for name in ("p50", "p99")),
        (one.total_cpu, other.total_cpu),
    ]
    return [f"{above / below:.2f}" if below else "-" for above, below in pairs]


def own_cost(rows: Rows, engine: str) -> Cells:
    """Of the CPU time of an order: what is ours above the floors, by two measures of them."""
    ours = rows.find(engine, POST_ORDER, OPTIGATE)
    sums = {
        "null route + null RPC (server) + insert by the driver": (
            NULL_ROUTE,
            NULL_CALL,
            INSERT[RAW],
        ),
        "null route that makes a null RPC + insert by SQLAlchemy Core": (HOP, INSERT[CORE]),
    }
    cells = [["", "us", "share"]]
    if ours is None:
        return cells
    total = ours.total_cpu
    cells += [[name, f"{cpu:.0f}", f"{cpu / total:.0%}"] for name, cpu in ours.cpu.items()]
    cells.append(["together", f"{total:.0f}", "100%"])
    for name, parts in sums.items():
        floor = sum(row.total_cpu for part in parts for row in rows.of(engine, part))
        cells.append([f"floors: {name}", f"{floor:.0f}", f"{floor / total:.0%}"])
        cells.append(["  own cost above them", f"{total - floor:.0f}", f"{1 - floor / total:.0%}"])
    return cells


def memory(outcome: Outcome, engine: str) -> Cells:
    cells = [["", "MB", "of which"]]
    for name, processes in outcome.memory[engine].items():
        each = ", ".join(f"{process} {rss / MEGABYTE:.0f}" for process, rss in processes.items())
        cells.append([name, f"{sum(processes.values()) / MEGABYTE:.0f}", each])
    return cells
