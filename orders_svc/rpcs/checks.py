"""What is checked of an order before it is stored: its rules, its lab's offer, its warnings."""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import Row

from chassis.validation import Rules, refuse
from orders_svc.documents import orders as documents
from orders_svc.rules.lab_status import LabStatus
from orders_svc.rules.lens_packages import CREATE_LENS_PACKAGE_REQUEST
from orders_svc.rules.life.available_actions import find_transmission
from orders_svc.rules.offer import find_offer_faults
from orders_svc.rules.order import CREATE_ORDER_REQUEST
from orders_svc.rules.warnings.review import Review, find_unconfirmed, read_tracing, review_order
from orders_svc.store.lookups import Lookups
from orders_svc.store.orders import Submission
from protos import orders_pb2 as pb

CREATE_ORDER = Rules(
    CREATE_ORDER_REQUEST,
    raw=("frame.tracing",),
    paragraphs=("special_instructions", "lens.tint_instruction", "redo_data.reason"),
)
CREATE_LENS_PACKAGE = Rules(
    CREATE_LENS_PACKAGE_REQUEST, paragraphs=("description", "lens.tint_instruction")
)
STAYS_A_DRAFT = ("mode", "Must be draft; SubmitOrder submits it.")
STAYS_WITH_ITS_LAB = ("lab", "Must stay: the order is submitted to this lab and account.")


class OrderChecks:
    """The checks of documents that callers send."""

    def __init__(self, lookups: Lookups, now: Callable[[], datetime]) -> None:
        self.lookups = lookups
        self.now = now

    def check_order(
        self, user_id: int, request: pb.CreateOrderRequest
    ) -> tuple[dict[str, Any], Review]:
        """Return a valid order that its lab offers, and its review; raises Invalid."""
        order, faults = CREATE_ORDER.examine(request)
        offer = self.lookups.find_offer(user_id, order)
        tracing, tracing_faults = read_tracing(order)
        at_fault = {fault.path for fault in faults}
        others = (fault for fault in tracing_faults if fault[0] not in at_fault)
        refuse(faults, find_offer_faults(order, offer), others)
        assert offer is not None
        review = review_order(order, offer, tracing)
        refuse(find_unconfirmed(order, review))
        return order, review

    def find_submission(self, user_id: int, order: Mapping[str, Any]) -> Submission:
        """Return when a valid order is submitted, and when it is transmitted."""
        now = self.now()
        if order["mode"] == "draft":
            return Submission(now, None)
        settings = self.lookups.find_settings(user_id, order["lab"], order["account_number"])
        return Submission(now, find_transmission(settings or {}, now))

    def check_replacement(
        self, user_id: int, row: Row[Any], request: pb.ReplaceOrderRequest
    ) -> tuple[dict[str, Any], Review]:
        """Return the valid document that replaces that of an order, and its review.

        An order that waits for its transmission is checked as a submit, and keeps its mode.
        """
        if row.lab_status != LabStatus.PENDING_TRANSMISSION:
            refuse([STAYS_A_DRAFT] if request.order.mode == "submit" else [])
            return self.check_order(user_id, request.order)
        asked = pb.CreateOrderRequest()
        asked.CopyFrom(request.order)
        if asked.mode == "draft":
            asked.mode = "submit"
        order, review = self.check_order(user_id, asked)
        moves = (order["lab"], order["account_number"]) != (row.lab_id, row.account_number)
        refuse([STAYS_WITH_ITS_LAB] if moves else [])
        return {**order, "mode": row.document["mode"]}, review

    def check_copy(
        self, user_id: int, original: Row[Any], wanted: Mapping[str, Any]
    ) -> tuple[dict[str, Any], Review]:
        """Return the valid draft that is made from an order, and its review; raises Invalid.

        A lens that the lab no longer offers is left out, as a draft may.
        """
        asked = documents.build_copy(original, wanted)
        order, _ = CREATE_ORDER.examine(asked)
        faults = find_offer_faults(order, self.lookups.find_offer(user_id, order))
        if any(path.startswith("lens.") for path, _ in faults):
            asked.ClearField("lens")
        return self.check_order(user_id, asked)

    def check_package(self, user_id: int, request: pb.CreateLensPackageRequest) -> dict[str, Any]:
        """Return a valid lens package that its lab offers; raises Invalid."""
        package, faults = CREATE_LENS_PACKAGE.examine(request)
        refuse(faults, find_offer_faults(package, self.lookups.find_offer(user_id, package)))
        return package
