"""Records and traces as text of the Data Communication Standard (DCS, "OMA").

`orders_svc.rules.tracing` reads what is written here.
"""

from binascii import crc_hqx
from collections.abc import Iterator

from orders_svc.rules.traces import ASCII_ABSOLUTE, Record, Trace, Tracing
from orders_svc.rules.tracing import FS, GS, RS
from orders_svc.rules.tracing_data import EVEN, UNEVEN

POINTS_PER_LINE = 10


def write_tracing(tracing: Tracing, *, end: str = "\r\n", packet: bool = False) -> str:
    """Return a tracing as text that `parse_tracing` reads; a packet has FS, GS and a CRC."""
    lines = [_write_record(record) for record in tracing.records]
    for section in tracing.sections:
        lines += map(_write_record, (section.header, *section.records))
    for trace in tracing.traces.values():
        lines += _write_data("TRCFMT", trace, trace.radii, trace.angles)
        if trace.depth:
            lines += _write_data("ZFMT", trace, trace.depth.values, trace.depth.angles)
    text = "".join(line + end for line in lines)
    if not packet:
        return text
    return f"{FS}{text}{RS}CRC={crc_hqx((text + RS).encode(), 0)}{end}{GS}"


def _write_record(record: Record) -> str:
    """Return a record as a line; an empty last field gets the `;` that a reader drops."""
    fields = record.fields
    return f"{record.label}={';'.join(fields)}" + (
        ";" if len(fields) > 1 and not fields[-1] else ""
    )


def _write_data(
    label: str, trace: Trace, values: tuple[int, ...], angles: tuple[int, ...]
) -> Iterator[str]:
    mode = UNEVEN if angles else EVEN
    what = f";{trace.object}" if trace.object else ""
    yield f"{label}={ASCII_ABSOLUTE};{len(values)};{mode};{trace.side}{what}"
    name, of = {"TRCFMT": ("R", "A"), "ZFMT": ("Z", "ZA")}[label]
    for dataset, numbers in ((name, values), (of, angles)):
        for start in range(0, len(numbers), POINTS_PER_LINE):
            yield f"{dataset}={';'.join(map(str, numbers[start : start + POINTS_PER_LINE]))}"
