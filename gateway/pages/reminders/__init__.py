"""The page behind the link of a reminder: the button that stops them.

The code in the link is the key. A GET has no effect, for scanners of mail follow links too.
"""

from flask import Blueprint, Response, g

from chassis.languages import ENGLISH
from chassis.status import Code
from gateway import backends, problems
from gateway.backends import call, decode_error
from gateway.channel import RpcError
from gateway.pages.localized import render_localized
from protos.subscriptions_pb2 import GetRemindersRequest, Reminders, StopRemindersRequest

bp = Blueprint("reminders", __name__, template_folder="../templates")

HEADERS = {"X-Robots-Tag": "noindex"}


@bp.get("/r/<code>")
def get_reminders(code: str) -> Response:
    return render_reminders(call(backends.shopper().GetReminders, GetRemindersRequest(code=code)))


@bp.post("/r/<code>")
def stop_reminders(code: str) -> Response:
    return render_reminders(call(backends.shopper().StopReminders, StopRemindersRequest(code=code)))


@bp.errorhandler(RpcError)
def answer_rpc_error(error: RpcError) -> Response:
    """Return the page of a link that does not work; any other failure has the common page."""
    failure = decode_error(error)
    if failure.code is not Code.NOT_FOUND:
        return problems.answer_failure(failure)
    g.reason = failure.reason
    return render_localized("cart_unknown.html", ENGLISH, 404, headers=HEADERS)


def render_reminders(found: Reminders) -> Response:
    """Return the page with the button, or that of what was stopped."""
    return render_localized("reminders.html", found.locale, headers=HEADERS, cart=found)
