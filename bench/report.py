"""What a comparison has shown: tables in plain text, and one HTML page with nothing beside it."""

from html import escape

from bench.compare import (
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
from bench.floors import CORE, RAW
from bench.load import PERCENTILES
from bench.measure import Row, Rows

TITLES = {"sqlite": "SQLite, synchronous=FULL", "postgresql": "PostgreSQL, fsync on"}
MEGABYTE = 1e6
COLORS = ("#1f6f8b", "#c8963e", "#8a5a83", "#6b7a8f", "#5b8c5a")
STYLE = """
body{font:15px/1.5 system-ui,sans-serif;color:#222;background:#fff;max-width:1120px;
margin:2em auto;padding:0 1em}
h1{font-size:1.5em}h2{margin-top:2em;border-bottom:1px solid #ddd}h3{margin:1.5em 0 .3em}
table{border-collapse:collapse;font-variant-numeric:tabular-nums}
td,th{padding:.15em .7em;text-align:right;border-bottom:1px solid #eee;font-weight:normal}
th{color:#666}td:first-child,th:first-child{text-align:left}
svg{display:block;margin:.5em 0}svg text{font:12px system-ui,sans-serif;fill:#333}
.bad{color:#b00020}small{color:#666}
"""


def table(outcome: Outcome) -> str:
    """The whole outcome as text."""
    lines = [outcome.machine]
    for engine in outcome.rows.engines():
        lines += ["", f"== {TITLES[engine]} =="]
        for work in outcome.rows.works(engine):
            if work not in FLOORS:
                lines += ["", work, *_grid(_cells(outcome.rows.of(engine, work)))]
        lines += ["", "Floors", *_grid(_floor_cells(outcome.rows, engine))]
        lines += ["", "Ratios", *_grid(ratios(outcome.rows, engine))]
        lines += ["", f"CPU of one {POST_ORDER}, us", *_grid(own_cost(outcome.rows, engine))]
        lines += ["", "Memory after the load, MB RSS", *_grid(_memory(outcome, engine))]
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


def _cells(rows: list[Row]) -> Cells:
    """One work: a line for each contender."""
    head = ["", "req/s", *(f"{name} ms" for name in PERCENTILES), "errors", "CPU us", "client us"]
    return [head, *map(_row_cells, rows)]


def _row_cells(row: Row) -> list[str]:
    latencies = [f"{row.latencies[name]:.1f}" if row.latencies else "" for name in PERCENTILES]
    errors = str(row.errors.total())
    cpu, client = f"{row.total_cpu:.0f}", f"{row.client:.0f}" if row.client else ""
    return [row.contender, f"{row.throughput:.0f}", *latencies, errors, cpu, client]


def _floor_cells(rows: Rows, engine: str) -> Cells:
    found = [row for work in FLOORS for row in rows.of(engine, work)]
    head = _cells([])[0]
    return [head, *([row.work, *_row_cells(row)[1:]] for row in found)]


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


def _memory(outcome: Outcome, engine: str) -> Cells:
    cells = [["", "MB", "of which"]]
    for name, processes in outcome.memory[engine].items():
        each = ", ".join(f"{process} {rss / MEGABYTE:.0f}" for process, rss in processes.items())
        cells.append([name, f"{sum(processes.values()) / MEGABYTE:.0f}", each])
    return cells


def page(outcome: Outcome) -> str:
    """The whole outcome as one HTML page."""
    parts = [f"<h1>Optigate, measured side by side</h1><p>{escape(outcome.machine)}</p>"]
    parts.append(
        "<p>Medians over rounds in which the contenders took turns. "
        "CPU is the time of all processes of a contender, and of PostgreSQL, for one request.</p>"
    )
    for engine in outcome.rows.engines():
        parts.append(f"<h2>{TITLES[engine]}</h2>")
        for work in outcome.rows.works(engine):
            if work not in FLOORS:
                parts += [f"<h3>{escape(work)}</h3>", _charts(outcome.rows.of(engine, work))]
                parts.append(_html(_cells(outcome.rows.of(engine, work))))
        parts += ["<h3>Floors</h3>", _html(_floor_cells(outcome.rows, engine))]
        parts += ["<h3>Ratios</h3>", _html(ratios(outcome.rows, engine))]
        parts += [f"<h3>CPU of one {POST_ORDER}</h3>", _html(own_cost(outcome.rows, engine))]
        memory = outcome.memory[engine]
        bars = [(name, {p: rss / MEGABYTE for p, rss in of.items()}) for name, of in memory.items()]
        parts += ["<h3>Memory after the load</h3>", _stacked("MB RSS", bars)]
    notes = [f"<li>{escape(note)}</li>" for note in outcome.notes]
    faults = [f'<li class="bad">{escape(fault)}</li>' for fault in outcome.broken]
    parts.append(f"<h2>Promises</h2><ul>{''.join(notes + faults) or '<li>all kept</li>'}</ul>")
    return (
        '<!doctype html><html lang="en"><meta charset="utf-8">'
        f"<title>Optigate, measured</title><style>{STYLE}</style>\n"
        + "\n".join(parts)
        + "</html>\n"
    )


def _html(cells: Cells) -> str:
    head, *rows = (
        "".join(f"<{tag}>{escape(cell)}</{tag}>" for cell in row)
        for row, tag in zip(cells, ["th"] + ["td"] * (len(cells) - 1), strict=True)
    )
    return f"<table><tr>{head}</tr>{''.join(f'<tr>{row}</tr>' for row in rows)}</table>"


def _charts(rows: list[Row]) -> str:
    throughput = [(row.contender, {"": row.throughput}) for row in rows]
    cpu = [(row.contender, row.cpu) for row in rows]
    return (
        _stacked("requests a second", throughput)
        + _latencies(rows)
        + _stacked("CPU, microseconds a request", cpu)
    )


def _bar(x: float, y: float, width: float, color: str, title: str) -> str:
    return (
        f'<rect x="{x:.1f}" y="{y:.1f}" width="{max(width, 0.5):.1f}" height="16" fill="{color}">'
        f"<title>{escape(title)}</title></rect>"
    )


def _stacked(unit: str, bars: list[tuple[str, dict[str, float]]]) -> str:
    """Bars of one or more parts, each with its sum and the names of its parts."""
    most = max((sum(parts.values()) for _, parts in bars), default=0) or 1
    drawn = [f'<text x="0" y="12" fill-opacity=".6">{escape(unit)}</text>']
    for index, (name, parts) in enumerate(bars):
        y, x = 20 + index * 24, 130.0
        drawn.append(f'<text x="0" y="{y + 13}">{escape(name)}</text>')
        for part, value in enumerate(parts.items()):
            width = value[1] / most * 420
            color = COLORS[(part if len(parts) > 1 else index) % len(COLORS)]
            drawn.append(_bar(x, y, width, color, f"{name} {value[0]} {value[1]:.0f}"))
            x += width
        large = {part: value for part, value in parts.items() if value * 100 >= sum(parts.values())}
        named = ", ".join(f"{part} {value:.0f}" for part, value in large.items())
        told = f"{sum(parts.values()):.0f}" + (f" ({named})" if len(parts) > 1 else "")
        drawn.append(f'<text x="{x + 6:.1f}" y="{y + 13}">{escape(told)}</text>')
    return _svg(drawn, 24 + len(bars) * 24)


def _latencies(rows: list[Row]) -> str:
    """Bars by percentile; errors stand beside the name."""
    most = max((max(row.latencies.values(), default=0) for row in rows), default=0) or 1
    drawn = ['<text x="0" y="12" fill-opacity=".6">latency, ms</text>']
    y = 20
    for name in PERCENTILES:
        for index, row in enumerate(rows):
            value = row.latencies.get(name, 0.0)
            width, color = value / most * 420, COLORS[index % len(COLORS)]
            label = f"{name} {row.contender}"
            drawn.append(f'<text x="0" y="{y + 13}">{escape(label)}</text>')
            drawn.append(_bar(130, y, width, color, f"{label} {value:.1f} ms"))
            drawn.append(f'<text x="{136 + width:.1f}" y="{y + 13}">{value:.1f}</text>')
            y += 19
        y += 6
    errors = ", ".join(f"{row.contender} {row.errors.total()}" for row in rows)
    drawn.append(f'<text x="0" y="{y + 12}">errors: {escape(errors)}</text>')
    return _svg(drawn, y + 20)


def _svg(drawn: list[str], height: float) -> str:
    return f'<svg width="1100" height="{height:.0f}" role="img">{"".join(drawn)}</svg>'
