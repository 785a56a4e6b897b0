"""Orders as messages, drawings and job text."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, RowMapping

from chassis.events.states import CANCELLED, DEAD, DECLINED, DELIVERED, PENDING
from orders_svc.documents.job import LensNames, write_job
from orders_svc.documents.outline import draw_outline
from orders_svc.rules.lab_status import LabStatus
from orders_svc.rules.life.available_actions import AT_THE_LAB, OrderState, find_available_actions
from orders_svc.rules.life.history import complete_history
from orders_svc.rules.warnings.review import read_tracing
from orders_svc.store.catalogs import LensIds, find_lens_parts, find_names
from orders_svc.store.life.history import Life
from orders_svc.store.transport.jobs import read_job_delivery
from protos import orders_pb2 as pb

# How an event's state is shown to a client.
JOB_STATES = {
    PENDING: PENDING,
    DELIVERED: DELIVERED,
    DECLINED: "failed",
    DEAD: "failed",
    CANCELLED: CANCELLED,
}
Columns = Mapping[str, Any] | RowMapping


def build_order(row: Row[Any], life: Life, public_url: str, now: datetime) -> pb.Order:
    """Return the whole of an order: its current state, and the document as it was sent."""
    state = OrderState.of(row)
    return pb.Order(
        id=row.id,
        lab_status=row.lab_status,
        url=build_review_url(row.id, public_url),
        created=to_unix(row.created_at),
        updated=to_unix(row.updated_at),
        tray_number=row.tray_number,
        invoice_number=row.invoice_number,
        tracking_number=row.tracking_number,
        job_delivery=build_job_delivery(row),
        warnings=build_warnings(row.warnings),
        traced=row.traced,
        version=row.version,
        editable_until=to_unix(row.transmit_at) if row.transmit_at else None,
        available_actions=pb.OrderActions(**find_available_actions(state, now)),
        history=[
            pb.HistoryEntry(**{**entry, "at": to_unix(entry["at"])})
            for entry in complete_history(row, life.entries)
        ],
        cancellation=build_cancellation(row),
        original=row.original_id,
        redone_by=[each.id for each in life.copies if each.submission_type == "redo"],
        pairs=[each.id for each in life.copies if each.submission_type == "multi_pair"],
        **row.document,
    )


def build_cancellation(row: Row[Any]) -> pb.Cancellation | None:
    """Return what the client and the lab did to cancel an order; None for nothing."""
    client, lab = row.client_cancelled_at, row.lab_cancelled_at
    if client is None and lab is None:
        return None
    return pb.Cancellation(
        client=to_unix(client) if client else None,
        lab=to_unix(lab) if lab else None,
        answer=row.cancel_answer,
        reason=row.cancel_reason,
    )


def build_job_delivery(row: Row[Any]) -> pb.JobDelivery | None:
    """Return where the delivery of an order's job stands; None if its lab is sent none."""
    found = read_job_delivery(row)
    if found is None:
        return None
    return pb.JobDelivery(
        state=JOB_STATES[found.state],
        attempts=found.attempts,
        reason=found.last_error,
        status=found.last_status,
        updated=to_unix(found.updated_at),
    )


def build_created_order(row: Columns, public_url: str) -> pb.CreateOrderResponse:
    """Return the answer to CreateOrder; only a draft has a review page."""
    is_draft = row["lab_status"] == LabStatus.DRAFT
    return pb.CreateOrderResponse(
        id=row["id"],
        url=build_review_url(row["id"], public_url) if is_draft else None,
        warnings=build_warnings(row["warnings"]),
        editable_until=to_unix(row["transmit_at"]) if row.get("transmit_at") else None,
    )


def build_listed_order(row: Row[Any]) -> pb.ListedOrder:
    """Return an order as its client's list shows it."""
    return pb.ListedOrder(
        id=row.id,
        tray_number=row.tray_number,
        invoice_number=row.invoice_number,
        lab_status=row.lab_status,
        created=to_unix(row.created_at),
        updated=to_unix(row.updated_at),
    )


def build_lab_order(row: Row[Any]) -> pb.LabOrder:
    """Return an order as its lab's queue shows it."""
    state = OrderState.of(row)
    is_asked = state.is_asked_to_cancel and state.lab_status in AT_THE_LAB
    return pb.LabOrder(
        id=row.id,
        lab=row.lab_id,
        account_number=row.account_number,
        lab_status=row.lab_status,
        tray_number=row.tray_number,
        invoice_number=row.invoice_number,
        tracking_number=row.tracking_number,
        created=to_unix(row.created_at),
        submitted=to_unix(row.submitted_at),
        updated=to_unix(row.updated_at),
        cancel_requested=to_unix(row.client_cancelled_at) if is_asked else None,
    )


def build_warnings(warnings: Iterable[dict[str, Any]] | None) -> list[pb.Warning]:
    """Return the warnings of a row as messages."""
    return [pb.Warning(**warning) for warning in warnings or ()]


def build_outline(row: Row[Any]) -> pb.OrderOutline:
    """Return a drawing of an order's lenses."""
    order = row.document
    return pb.OrderOutline(
        svg=draw_outline(order["frame"], order.get("rx"), read_tracing(order)[0])
    )


def build_job(tx: Connection, row: Row[Any]) -> pb.OrderJob:
    """Return an order as job text for lab software."""
    order = row.document
    names = find_lens_names(tx, row.lab_id, order["lens"]) if "lens" in order else None
    return pb.OrderJob(oma=write_job(row.id, order, names, read_tracing(order)[0]))


def find_lens_names(tx: Connection, lab_id: str, lens: Mapping[str, Any]) -> LensNames:
    """Return the lab's names for the parts of a lens, or ids where the catalog has none."""
    names = find_names(tx, lab_id, lens)
    types = find_lens_parts(tx, LensIds.of(lab_id, lens))["styles"]
    style, material, color = (
        names.get((kind, lens[kind]), lens[kind]) for kind in ("style", "material", "color")
    )
    coats = tuple(names.get(("coat", coat), coat) for coat in lens.get("coats", ()))
    return LensNames(style, material, color, coats, types.get(lens["style"]))


def build_submission(draft: Row[Any], acknowledged: Iterable[str] = ()) -> pb.CreateOrderRequest:
    """Return the request that would create a draft's order as submitted.

    The codes of acknowledged warnings are added to those of the draft.
    """
    codes = dict.fromkeys((*draft.document.get("acknowledged_warnings", ()), *acknowledged))
    order = {**draft.document, "mode": "submit", "acknowledged_warnings": list(codes)}
    return pb.CreateOrderRequest(**order)


def build_copy(original: Row[Any], wanted: Mapping[str, Any]) -> pb.CreateOrderRequest:
    """Return the request that creates a draft from an order: a copy, a redo or a further pair.

    A reference is the invoice number, the tray number or the id of the order.
    """
    left_out = ("acknowledged_warnings", "redo_data", "multi_pair_data")
    order = {name: each for name, each in original.document.items() if name not in left_out}
    reference = original.invoice_number or original.tray_number or original.id
    order |= {"mode": "draft", "submission_type": wanted["submission_type"]}
    if wanted["submission_type"] == "redo":
        order["redo_data"] = {**wanted["redo_data"], "reference": reference}
    elif wanted["submission_type"] == "multi_pair":
        order["multi_pair_data"] = {"reference": reference}
    return pb.CreateOrderRequest(**order)


def build_review_url(order_id: str, public_url: str) -> str:
    """Return the address of an order's review page."""
    return f"{public_url}/orders/{order_id}"


def to_unix(moment: datetime) -> int:
    """Return whole seconds since 1970."""
    return int(moment.timestamp())
