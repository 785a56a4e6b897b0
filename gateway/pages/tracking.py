"""The page on which a patient follows their order: their first name and its state, nothing else.

The code in the link is the key: whoever has the link may open it. The page sets no cookie.
"""

from flask import Blueprint, Response, g

from chassis.errors import Failure
from chassis.status import Code
from gateway import backends
from gateway.backends import attempt
from gateway.pages import render_page
from protos.orders_pb2 import GetTrackedOrderRequest

bp = Blueprint("tracking", __name__, template_folder="templates")
HEADERS = {"X-Robots-Tag": "noindex"}
STEPS = {
    "ordered": "Ordered",
    "in_production": "Being made",
    "shipped": "On their way to your optician",
    "ready_for_pickup": "Ready to be picked up",
}
NEWS = {
    "ordered": "Your glasses are ordered.",
    "in_production": "Your glasses are being made.",
    "shipped": "Your glasses are on their way to your optician.",
    "ready_for_pickup": "Your glasses are ready to be picked up.",
    "cancelled": "This order is cancelled. Your optician can tell you more.",
}


@bp.get("/t/<code>")
def get_tracked_order(code: str) -> Response:
    message = GetTrackedOrderRequest(code=code)
    # Credentials of the browser are none of the patient's.
    found = attempt(backends.tracking().GetTrackedOrder, message, Code.NOT_FOUND, authorization="")
    if isinstance(found, Failure):
        g.reason = found.reason
        return render_page("tracking_unknown.html", 404, headers=HEADERS, title="Unknown link")
    steps = list(STEPS)
    return render_page(
        "tracking.html",
        headers=HEADERS,
        title="Your glasses",
        first_name=found.first_name,
        news=NEWS.get(found.status, ""),
        steps=STEPS.items() if found.status in STEPS else (),
        reached=steps.index(found.status) if found.status in STEPS else -1,
    )
