"""Orders as messages: what is told of a row, and the drawing and the job text made of it."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row

from orders_svc.documents.job import job_text
from orders_svc.documents.outline import draw
from orders_svc.rules.warnings import read_tracing
from orders_svc.store import tables
from protos import orders_pb2 as pb


def styles(tx: Connection, lab: str, lens_type: str) -> pb.ListStylesResponse:
    """The styles of a lab for a lens type."""
    rows = tables.styles_of(tx, lab, lens_type)
    return pb.ListStylesResponse(data=[pb.CatalogEntry(**row._mapping) for row in rows])


def order(row: Row[Any], public_url: str) -> pb.Order:
    """The whole of an order: how it stands, and how it was sent."""
    return pb.Order(
        id=row.id,
        lab_status=row.lab_status,
        url=review_page(row.id, public_url),
        created=unix(row.created_at),
        updated=unix(row.updated_at),
        tray_number=row.tray_number,
        invoice_number=row.invoice_number,
        warnings=warnings(row.warnings or ()),
        traced=row.traced,
        **row.document,
    )


def listed(row: Row[Any]) -> pb.ListedOrder:
    """An order as its client's list shows it."""
    return pb.ListedOrder(
        id=row.id,
        tray_number=row.tray_number,
        invoice_number=row.invoice_number,
        lab_status=row.lab_status,
        created=unix(row.created_at),
        updated=unix(row.updated_at),
    )


def queued(row: Row[Any]) -> pb.LabOrder:
    """An order as its lab's queue shows it."""
    return pb.LabOrder(
        id=row.id,
        lab=row.lab_id,
        account_number=row.account_number,
        lab_status=row.lab_status,
        tray_number=row.tray_number,
        invoice_number=row.invoice_number,
        created=unix(row.created_at),
        submitted=unix(row.submitted_at),
        updated=unix(row.updated_at),
    )


def warnings(kept: Iterable[dict[str, str]]) -> list[pb.Warning]:
    """Warnings as they are kept."""
    return [pb.Warning(**each) for each in kept]


def outline(row: Row[Any]) -> pb.OrderOutline:
    """The lenses of an order, drawn."""
    order = row.document
    return pb.OrderOutline(svg=draw(order["frame"], order.get("rx"), read_tracing(order)[0]))


def job(tx: Connection, row: Row[Any]) -> pb.OrderJob:
    """An order for lab software."""
    order = row.document
    lens = tables.lens_name(tx, row.lab_id, order["lens"]) if "lens" in order else ""
    return pb.OrderJob(oma=job_text(row.id, order, lens, read_tracing(order)[0]))


def submission(draft: Row[Any]) -> pb.CreateOrderRequest:
    """A draft as if it were sent anew, to be submitted."""
    return pb.CreateOrderRequest(**{**draft.document, "mode": "submit"})


def review_page(order_id: str, public_url: str) -> str:
    """Where an order is reviewed."""
    return f"{public_url}/orders/{order_id}"


def unix(moment: datetime) -> int:
    """Whole seconds since 1970."""
    return int(moment.timestamp())
