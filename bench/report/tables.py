"""The outcome of a comparison as tables in plain text; `page` makes HTML of it."""

from bench.load.generator import PERCENTILES
from bench.report.measure import Row, Rows
from bench.report.outcome import (
    CORE_INSERT,
    DIRECT,
    DRIVER_INSERT,
    FLOORS,
    GATEWAY,
    HOP,
    NULL_CALL,
    NULL_ROUTE,
    OPTIGATE,
    POST_ORDER,
    Megabytes,
    Outcome,
)

TITLES = {"sqlite": "SQLite, synchronous=FULL", "postgresql": "PostgreSQL, fsync on"}
Cells = list[list[str]]


def build_table(outcome: Outcome) -> str:
    """Return the whole outcome as text."""
    rows, lines = outcome.rows, [outcome.machine]
    for engine in rows.engines():
        lines += ["", f"== {TITLES[engine]} =="]
        for work in rows.works(engine):
            if work not in FLOORS:
                lines += ["", work, *_align(list_figures(rows.of(engine, work)))]
        sections = {
            "Floors": list_floor_figures(rows, engine),
            "Ratios": list_ratios(rows, engine),
            f"p99 of {POST_ORDER}, ms": tail_latencies(outcome, engine),
            f"CPU of one {POST_ORDER}, us": list_own_costs(rows, engine),
            f"Memory, MB PSS, {outcome.memory_setting}": list_memory(outcome, engine),
        }
        for title, cells in sections.items():
            lines += ["", title, *_align(cells)]
    if outcome.notes:
        lines += ["", "Notes", *(f"  {note}" for note in outcome.notes)]
    lines += ["", "Broken promises", *(f"  {fault}" for fault in outcome.broken or ["none"])]
    return "\n".join(lines)


def _align(cells: Cells) -> list[str]:
    """Return columns side by side: the first aligned to the left, the others to the right."""
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    return [
        "  " + "  ".join([row[0].ljust(widths[0]), *map(str.rjust, row[1:], widths[1:])]).rstrip()
        for row in cells
    ]


def list_figures(rows: list[Row]) -> Cells:
    """Return one work: a line for each contender."""
    latencies = (f"{name} ms" for name in PERCENTILES)
    head = ["", "req/s", *latencies, "errors", "CPU us", "gateway us", "client us"]
    return [head, *map(_list_row_figures, rows)]


def _list_row_figures(row: Row) -> list[str]:
    latencies = [f"{row.latencies[name]:.1f}" if row.latencies else "" for name in PERCENTILES]
    gateway = f"{row.cpu[GATEWAY]:.0f}" if GATEWAY in row.cpu else ""
    cpu = [f"{row.total_cpu:.0f}", gateway, f"{row.client:.0f}" if row.client else ""]
    return [row.contender, f"{row.throughput:.0f}", *latencies, str(row.errors.total()), *cpu]


def list_floor_figures(rows: Rows, engine: str) -> Cells:
    """Return a line for each floor."""
    found = [row for work in FLOORS for row in rows.of(engine, work)]
    head = list_figures([])[0]
    return [head, *([row.work, *_list_row_figures(row)[1:]] for row in found)]


def list_ratios(rows: Rows, engine: str) -> Cells:
    """Return Optigate to each peer for each work, and gRPC directly to HTTP and to the peers."""
    cells = [["Optigate / peer", "peer", "req/s", "p50", "p99", "CPU us"]]
    for work in rows.works(engine):
        ours = rows.find(engine, work, OPTIGATE)
        for row in rows.of(engine, work):
            if ours is not None and row is not ours:
                cells.append([work, row.contender, *_compute_ratio(ours, row)])
    direct = rows.find(engine, DIRECT, OPTIGATE)
    for row in rows.of(engine, POST_ORDER):
        if direct is not None:
            peer = "itself" if row.contender == OPTIGATE else row.contender
            cells.append(["gRPC directly / POST by HTTP", peer, *_compute_ratio(direct, row)])
    return cells


def _compute_ratio(one: Row, other: Row) -> list[str]:
    pairs = [
        (one.throughput, other.throughput),
        *((one.latencies[name], other.latencies[name]) for name in ("p50", "p99")),
        (one.total_cpu, other.total_cpu),
    ]
    return [_divide(above, below) for above, below in pairs]


def _divide(above: float, below: float) -> str:
    return f"{above / below:.2f}" if below else "-"


def tail_latencies(outcome: Outcome, engine: str) -> Cells:
    """Return the p99 of each contender under saturation and at a fixed rate, side by side."""
    closed, steady = "closed loop", f"open loop at {outcome.rate:.0f}/s"
    cells = [["", closed, steady, f"optigate / it, {closed}", f"optigate / it, {steady}"]]
    rows = outcome.rows
    ours = [rows.find(engine, work, OPTIGATE) for work in (POST_ORDER, outcome.open_loop)]
    for row in rows.of(engine, POST_ORDER):
        both = [row, rows.find(engine, outcome.open_loop, row.contender)]
        tails = [each.latencies["p99"] if each else 0.0 for each in both]
        own = [each.latencies["p99"] if each else 0.0 for each in ours]
        shares = [_divide(mine, its) for mine, its in zip(own, tails, strict=True)]
        cells.append([row.contender, *(f"{tail:.1f}" for tail in tails), *shares])
    return cells


def list_own_costs(rows: Rows, engine: str) -> Cells:
    """Return the CPU time of an order, and how much of it is above the floors, by two measures."""
    ours = rows.find(engine, POST_ORDER, OPTIGATE)
    sums = {
        "null route + null RPC (server) + insert by the driver": (
            NULL_ROUTE,
            NULL_CALL,
            DRIVER_INSERT,
        ),
        "null route that makes a null RPC + insert by SQLAlchemy Core": (HOP, CORE_INSERT),
    }
    cells = [["", "us", "share"]]
    if ours is None:
        return cells
    total = ours.total_cpu or 1.0
    cells += [[name, f"{cpu:.0f}", f"{cpu / total:.0%}"] for name, cpu in ours.cpu.items()]
    cells.append(["together", f"{total:.0f}", "100%"])
    for name, parts in sums.items():
        floor = sum(row.total_cpu for part in parts for row in rows.of(engine, part))
        cells.append([f"floors: {name}", f"{floor:.0f}", f"{floor / total:.0%}"])
        cells.append(["  own cost above them", f"{total - floor:.0f}", f"{1 - floor / total:.0%}"])
    return cells


def list_memory(outcome: Outcome, engine: str) -> Cells:
    """Return the memory of each contender at rest and after a load."""
    cells = [["", "at rest", "after the load", "of which"]]
    for name, found in outcome.memory[engine].items():
        both = [f"{sum(each.values()):.0f}" for each in (found.at_rest, found.after_load)]
        cells.append([name, *both, _list_parts(found.after_load)])
    return cells


def _list_parts(megabytes: Megabytes) -> str:
    return ", ".join(f"{process} {size:.0f}" for process, size in megabytes.items())
