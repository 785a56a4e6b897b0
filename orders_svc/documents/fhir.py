"""Prescriptions of orders as FHIR documents, and what was read from others'."""

from collections.abc import Iterable, Mapping
from datetime import UTC
from typing import Any

from sqlalchemy import Row

from chassis.errors import NotFound
from optics.fhir import Remark, to_json
from optics.fhir_write import Context, write_order_rx
from orders_svc.rules.lab_status import LabStatus
from protos import orders_pb2 as pb

# By the state of an order; in any other its prescription is in use.
STATUSES: dict[str, str] = {LabStatus.DRAFT: "draft", LabStatus.CANCELLED: "cancelled"}


def build_fhir(row: Row[Any]) -> pb.FhirDocument:
    """Return the prescription of an order; raises NotFound if it has none."""
    order = row.document
    if not any(order.get("rx", {}).values()):
        raise NotFound("This order has no prescription.")
    patient = f"{order['patient']['first_name']} {order['patient']['last_name']}"
    context = Context(
        status=STATUSES.get(row.lab_status, "active"),
        identifier=row.id,
        created=f"{row.created_at.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}",
        patient={"display": patient},
    )
    return pb.FhirDocument(json=to_json(write_order_rx(order["rx"], context)))


def build_order_rx(rx: Mapping[str, Any], not_carried: Iterable[Remark]) -> pb.OrderRx:
    """Return an rx that was read, and what it does not carry."""
    entries = [pb.NotCarried(path=each.path, message=each.message) for each in not_carried]
    return pb.OrderRx(rx=pb.Rx(**rx), not_carried=entries)
