"""Orders as the dashboard lists and reviews them."""

from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row

from optics import powers
from orders_svc.documents.orders import build_order, build_outline, to_unix
from orders_svc.store.catalogs import find_names
from orders_svc.store.life.history import read_life
from protos import orders_pb2 as pb

NAMED_PARTS = ("style", "material", "color")


def build_found_order(row: Row[Any]) -> pb.FoundOrder:
    """Return an order as the dashboard lists it."""
    return pb.FoundOrder(
        id=row.id,
        patient=f"{row.first_name} {row.last_name}",
        lab_name=row.lab_name,
        lab_status=row.lab_status,
        tray_number=row.tray_number,
        invoice_number=row.invoice_number,
        created=to_unix(row.created_at),
        updated=to_unix(row.updated_at),
    )


def build_review(tx: Connection, row: Row[Any], public_url: str, now: datetime) -> pb.Review:
    """Return an order with the names of its parts, a drawing, and values derived from its rx."""
    order: dict[str, Any] = row.document
    lens: dict[str, Any] = order.get("lens") or {}
    names = find_names(tx, row.lab_id, lens)
    parts: dict[str, Any] = {
        kind: names.get((kind, id_), id_) for kind, id_ in lens.items() if kind in NAMED_PARTS
    }
    parts |= {
        which: build_reviewed_eye(eye, which) for which, eye in (order.get("rx") or {}).items()
    }
    return pb.Review(
        order=build_order(row, read_life(tx, row), public_url, now),
        lab_name=names.get(("lab", row.lab_id), row.lab_id),
        coats=[names.get(("coat", coat), coat) for coat in lens.get("coats", ())],
        outline_svg=build_outline(row).svg,
        **parts,
    )


def build_reviewed_eye(eye: dict[str, Any], which: str) -> pb.ReviewedEye:
    """Return the values derived from an eye's prescription: none of a balance lens."""
    if powers.is_balance(eye):
        return pb.ReviewedEye()
    power = powers.power_of(eye)
    reviewed = pb.ReviewedEye(spherical_equivalent=power.spherical_equivalent)
    if power.transposed != power:
        reviewed.other_form.CopyFrom(pb.OtherForm(**power.transposed._asdict()))
    if "horizontal_prism" in eye and "vertical_prism" in eye:
        prism = powers.resultant(eye, which)
        assert prism is not None
        reviewed.prism.CopyFrom(pb.ResultantPrism(**prism._asdict()))
    return reviewed
