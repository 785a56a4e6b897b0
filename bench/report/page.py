"""The outcome as one HTML page without other files: charts in SVG, light or dark."""

from collections.abc import Mapping, Sequence
from html import escape

from bench.load.generator import PERCENTILES
from bench.report.measure import Row, Rows
from bench.report.outcome import (
    CORE_INSERT,
    FLOORS,
    GET_ORDER,
    GET_SUBSCRIPTION,
    HOP,
    OPTIGATE,
    POST_ORDER,
    Outcome,
)
from bench.report.tables import (
    TITLES,
    Cells,
    list_figures,
    list_floor_figures,
    list_memory,
    list_own_costs,
    list_ratios,
    tail_latencies,
)

# Each contender has one color in every chart.
HUES = {OPTIGATE: "a", "fastapi": "b", "fastapi-1": "e", "smorest": "c", "by_the_book": "f"}
GLANCE_WORKS = (POST_ORDER, GET_ORDER, GET_SUBSCRIPTION)
# Pixels of a chart, of its names, of its longest bar.
WIDTH, LEFT, BAR = 540, 108, 320
STYLE = """
:root{color-scheme:light dark;--ground:#fff;--card:#f6f7f8;--line:#dfe3e6;--text:#1c2226;
--faint:#5c666d;--a:#0e7288;--b:#c47f17;--c:#8d5a88;--d:#7b8790;--e:#9a7d2e;--f:#4f6d3a;--bad:#b3261e;--good:#2a7a3f}
@media(prefers-color-scheme:dark){:root{--ground:#14181b;--card:#1d2327;--line:#343c42;
--text:#e7ebee;--faint:#9ba6ad;--a:#48b5cd;--b:#e2a548;--c:#c58fbf;--d:#8b979f;--e:#cbb066;--f:#8fb573;--bad:#ff8a80;
--good:#7cc992}}
body{font:15px/1.5 system-ui,sans-serif;color:var(--text);background:var(--ground);
max-width:1140px;margin:2em auto;padding:0 1em}
h1{font-size:1.7em;margin:0}h2{font-size:1.35em;margin:2.2em 0 .6em}
h3{font-size:1em;margin:0 0 .6em}
p,li,.faint{color:var(--faint)}li{overflow-wrap:anywhere}
.tiles,.charts{display:grid;gap:.8em}
.tiles{grid-template-columns:repeat(auto-fit,minmax(210px,1fr));margin:1em 0}
.charts{grid-template-columns:repeat(auto-fit,minmax(min(460px,100%),1fr))}
.tile,.card{background:var(--card);border:1px solid var(--line);border-radius:8px;padding:1em}
.card{margin:.8em 0;overflow-x:auto}
.tile b{display:block;font-size:1.9em;line-height:1.2;font-variant-numeric:tabular-nums}
.tile b small{font-size:.5em;font-weight:normal}
.ahead{color:var(--good)}.behind,.bad{color:var(--bad)}
table{border-collapse:collapse;font-size:13px;font-variant-numeric:tabular-nums}
td,th{padding:.2em .8em;text-align:right;border-bottom:1px solid var(--line);font-weight:normal;
white-space:nowrap}
th{color:var(--faint)}td:first-child,th:first-child{text-align:left;padding-left:0}
details{margin-top:.8em}summary{cursor:pointer;color:var(--faint);font-size:13px}
svg{display:block;width:100%;max-width:540px;height:auto}
svg text{font:12px system-ui,sans-serif;fill:var(--text)}
svg .faint{fill:var(--faint)}svg .end{text-anchor:end}
.a{fill:var(--a)}.b{fill:var(--b)}.c{fill:var(--c)}.d{fill:var(--d)}
.e{fill:var(--e)}.f{fill:var(--f)}
"""
Bars = Sequence[tuple[str, Mapping[str, float]]]  # a name, and the parts of its bar


def build_page(outcome: Outcome) -> str:
    """Return the whole outcome as one HTML page."""
    parts = [
        "<h1>Optigate, measured side by side</h1>",
        f"<p>{escape(outcome.machine)}</p>",
        "<p>Contenders took turns in one run; figures are medians over its rounds. CPU is the time "
        "of all processes of a contender, and of PostgreSQL, for one request.</p>",
    ]
    for engine in outcome.rows.engines():
        parts += [f"<h2>{TITLES[engine]}</h2>", _render_tiles(outcome.rows, engine)]
        for work in outcome.rows.works(engine):
            if work not in FLOORS:
                parts.append(_draw_card(work, *_draw_work(outcome.rows.of(engine, work))))
        parts.append(_draw_card("Floors, and what is our own", *_draw_floors(outcome.rows, engine)))
        parts.append(_draw_card("Ratios", _render_table(list_ratios(outcome.rows, engine))))
        parts.append(
            _draw_card(f"p99 of {POST_ORDER}, ms", _render_table(tail_latencies(outcome, engine)))
        )
        stacks = [(name, each.after_load) for name, each in outcome.memory[engine].items()]
        chart, cells = _draw_chart("MB PSS", stacks), list_memory(outcome, engine)
        title = f"Memory after the load, {outcome.memory_setting}"
        parts.append(_draw_card(title, chart, _render_details(cells)))
    notes = [f"<li>{escape(note)}</li>" for note in outcome.notes]
    faults = [f'<li class="bad">{escape(fault)}</li>' for fault in outcome.broken]
    items = "".join(faults) or '<li class="ahead">All promises were kept.</li>'
    parts += ["<h2>Promises and notes</h2>", f"<ul>{items}{''.join(notes)}</ul>"]
    return (
        '<!doctype html><html lang="en"><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width">'
        f"<title>Optigate, measured</title><style>{STYLE}</style>\n"
        + "\n".join(parts)
        + "</html>\n"
    )


def _render_tiles(rows: Rows, engine: str) -> str:
    """Show the ratios that matter most, large."""
    made = []
    for work in GLANCE_WORKS:
        ours = rows.find(engine, work, OPTIGATE)
        for row in rows.of(engine, work):
            if ours is None or row is ours or not row.throughput:
                continue
            times = ours.throughput / row.throughput
            made.append(
                f'<div class="tile"><b class="{"ahead" if times >= 1 else "behind"}">{times:.2f}x '
                f'<small class="faint">{escape(row.contender)}</small></b>{escape(work)}'
                f'<div class="faint">{ours.throughput:.0f} to {row.throughput:.0f} requests/s'
                "</div></div>"
            )
    return f'<div class="tiles">{"".join(made)}</div>'


def _draw_card(title: str, *parts: str) -> str:
    return f'<section class="card"><h3>{escape(title)}</h3>{"".join(parts)}</section>'


def _draw_work(rows: list[Row]) -> tuple[str, str]:
    throughput = _draw_chart(
        "requests a second", [(row.contender, {"": row.throughput}) for row in rows]
    )
    cpu = _draw_chart("CPU, microseconds a request", [(row.contender, row.cpu) for row in rows])
    charts = f"<div>{throughput}{cpu}</div><div>{_draw_latencies(rows)}</div>"
    return f'<div class="charts">{charts}</div>', _render_details(list_figures(rows))


def _draw_floors(rows: Rows, engine: str) -> tuple[str, str, str]:
    floors: Bars = [(work, {"": row.total_cpu}) for work in FLOORS for row in rows.of(engine, work)]
    chart = _draw_chart("CPU, microseconds a request", floors, left=236)
    return (
        f'<div class="charts">{chart}{_draw_above(rows, engine)}</div>',
        _render_table(list_own_costs(rows, engine)),
        _render_details(list_floor_figures(rows, engine)),
    )


def _draw_above(rows: Rows, engine: str) -> str:
    """Draw an order beside the floors under it."""
    ours = rows.find(engine, POST_ORDER, OPTIGATE)
    hop, core = _find_floor(rows, engine, HOP), _find_floor(rows, engine, CORE_INSERT)
    if ours is None or hop is None or core is None:
        return ""
    under = {"route with a null RPC": hop.total_cpu, "insert + commit": core.total_cpu}
    own = max(ours.total_cpu - sum(under.values()), 0.0)
    return _draw_chart(f"{POST_ORDER}, CPU microseconds", [(OPTIGATE, {**under, "our own": own})])


def _find_floor(rows: Rows, engine: str, work: str) -> Row | None:
    return next(iter(rows.of(engine, work)), None)


def _render_table(cells: Cells) -> str:
    head, *rows = (
        "".join(f"<{tag}>{escape(cell)}</{tag}>" for cell in row)
        for row, tag in zip(cells, ["th"] + ["td"] * (len(cells) - 1), strict=True)
    )
    return f"<table><tr>{head}</tr>{''.join(f'<tr>{row}</tr>' for row in rows)}</table>"


def _render_details(cells: Cells) -> str:
    return f"<details><summary>figures</summary>{_render_table(cells)}</details>"


def _draw_text(x: float, y: float, text: str, kind: str = "") -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" class="{kind}">{escape(text)}</text>'


def _draw_bar(x: float, y: float, width: float, hue: str, shade: float, title: str) -> str:
    return (
        f'<rect x="{x:.1f}" y="{y:.1f}" width="{max(width, 1):.1f}" height="15" rx="2" '
        f'class="{hue}" fill-opacity="{shade:.2f}"><title>{escape(title)}</title></rect>'
    )


def _draw_chart(unit: str, bars: Bars, *, left: int = LEFT) -> str:
    """Draw bars with their sums; the parts of one are listed under it, in the order of shades."""
    most = max((sum(parts.values()) for _, parts in bars), default=0) or 1
    drawn, y = [_draw_text(0, 12, unit, "faint")], 22.0
    for name, parts in bars:
        total, x = sum(parts.values()), float(left)
        large = {part: value for part, value in parts.items() if value * 100 >= total}
        drawn.append(_draw_text(left - 8, y + 12, name, "end"))
        for index, (part, value) in enumerate(large.items()):
            width = value / most * (LEFT + BAR - left)
            title = f"{name} {part} {value:.0f}"
            drawn.append(_draw_bar(x, y, width - 1, HUES.get(name, "d"), 0.75**index, title))
            x += width
        drawn.append(_draw_text(x + 6, y + 12, f"{total:.0f}"))
        if len(parts) > 1:
            y += 16
            named = ", ".join(f"{part} {value:.0f}" for part, value in large.items())
            drawn.append(_draw_text(left, y + 13, named, "faint"))
        y += 23
    return _wrap_svg(drawn, y + 8)


def _draw_latencies(rows: list[Row]) -> str:
    """Draw bars by percentile, and list the errors."""
    most = max((max(row.latencies.values(), default=0) for row in rows), default=0) or 1
    drawn, y = [_draw_text(0, 12, "latency, milliseconds", "faint")], 22.0
    for name in PERCENTILES:
        drawn.append(_draw_text(0, y + 12, name, "faint"))
        for row in rows:
            value, hue = row.latencies.get(name, 0.0), HUES.get(row.contender, "d")
            width, title = value / most * BAR, f"{name} {row.contender} {value:.1f} ms"
            drawn.append(_draw_text(LEFT - 8, y + 12, row.contender, "end"))
            drawn.append(_draw_bar(LEFT, y, width, hue, 1, title))
            drawn.append(_draw_text(LEFT + width + 6, y + 12, f"{value:.1f}"))
            y += 18
        y += 8
    errors = ", ".join(f"{row.contender} {row.errors.total()}" for row in rows)
    drawn.append(_draw_text(0, y + 10, f"errors: {errors}", "faint"))
    return _wrap_svg(drawn, y + 18)


def _wrap_svg(drawn: list[str], height: float) -> str:
    return f'<svg viewBox="0 0 {WIDTH} {height:.0f}" role="img">{"".join(drawn)}</svg>'
