"""The page of events: what came of their last deliveries, and a button to deliver one again.

Whoever opens it sends the name and secret of a staff account, by HTTP Basic, which go along with
every call: the service decides. Browsers send them with forms of other sites, too; so each form
carries a seal derived from them, and forms from other sites are refused.
"""

import hashlib
import hmac
from typing import Any

from flask import Blueprint, Response, request, url_for
from werkzeug.exceptions import NotFound

from chassis.errors import Failure, Forbidden
from chassis.status import Code
from gateway import backends
from gateway.backends import attempt, call, decode_error
from gateway.channel import RpcError
from gateway.pages import render_page
from gateway.pages.notation import to_datetime
from gateway.pages.orders_session import is_same_origin, redirect_to
from gateway.problems import answer_failure
from protos import orders_pb2, sessions_pb2, subscriptions_pb2

bp = Blueprint("staff", __name__, url_prefix="/staff")
MESSAGES: dict[str, Any] = {
    "sessions": sessions_pb2,
    "orders": orders_pb2,
    "subscriptions": subscriptions_pb2,
}
# Of each API: who owns an endpoint, and what an event is about.
WORDS = {
    "sessions": ("Partner", "Session"),
    "orders": ("Client", "Order"),
    "subscriptions": ("Merchant", "Subscription"),
}
# The states of an event, with the kind of their tag.
STATES = {
    "pending": "",
    "delivered": "good",
    "declined": "warn",
    "dead": "bad",
    "cancelled": "warn",
}
CHALLENGE = 'Basic realm="Optigate staff, {}", charset="UTF-8"'
FILTERS = ("owner", "state")


@bp.get("/<api>/events")
def list_events(api: str) -> Response:
    return render_events(api, read_filters(request.args), replayed=request.args.get("replayed", ""))


@bp.post("/<api>/events/replay")
def replay_event(api: str) -> Response:
    message = find_messages(api).ReplayEventRequest(event_id=request.form.get("event_id", ""))
    filters = read_filters(request.form)
    done = attempt(
        backends.desk(api).ReplayEvent,
        message,
        Code.FAILED_PRECONDITION,
        Code.NOT_FOUND,
        authorization=read_authorization(),
    )
    if isinstance(done, Failure):
        return render_events(api, filters, refused=done)
    # Without the state, in which it is no longer.
    onward = url_for("staff.list_events", api=api, owner=filters.get("owner"), replayed=done.id)
    return redirect_to(onward)


def render_events(
    api: str, filters: dict[str, str], *, replayed: str = "", refused: Failure | None = None
) -> Response:
    """Return the page of the newest events; `refused` is why one is not delivered again."""
    message = find_messages(api).ListEventsRequest(**filters)
    found = call(backends.desk(api).ListEvents, message, authorization=read_authorization())
    owner_word, stream_word = WORDS[api]
    status = 200 if refused is None else 404 if refused.code is Code.NOT_FOUND else 409
    return render_page(
        "staff_events.html",
        status,
        title=f"Events of {api}",
        api=api,
        apis=tuple(MESSAGES),
        found=found,
        filters=filters,
        states=STATES,
        owner_word=owner_word,
        stream_word=stream_word,
        seal=make_seal(),
        # What the page says of it has to be true: a link may name anything.
        replayed=replayed if replayed in {each.id for each in found.data} else "",
        refused=refused,
        to_datetime=to_datetime,
    )


def find_messages(api: str) -> Any:
    """Return the messages of an API; raises NotFound for a name that is none."""
    if api not in MESSAGES:
        raise NotFound(f"There are events of {', '.join(MESSAGES)}.")
    return MESSAGES[api]


def read_filters(fields: Any) -> dict[str, str]:
    """Return the filters that are set."""
    wanted = {name: fields.get(name, "").strip() for name in FILTERS}
    return {name: value for name, value in wanted.items() if value}


def read_authorization() -> str:
    """Return the credentials of the request; '' if it has none."""
    return request.headers.get("Authorization", "")


def make_seal() -> str:
    """Return the seal that the forms for these credentials carry."""
    return hmac.digest(read_authorization().encode(), b"forms of staff", hashlib.sha256).hex()


@bp.before_request
def check_form() -> None:
    """Raise for a form that comes from another site, or was made for other credentials."""
    if request.method != "POST":
        return
    is_sealed = hmac.compare_digest(request.form.get("seal", "").encode(), make_seal().encode())
    if not is_same_origin() or not is_sealed:
        raise Forbidden(
            "This form is from another site, or was made for other credentials. "
            "Reload the page, and send it again."
        )


@bp.errorhandler(RpcError)
def answer_rpc_error(error: RpcError) -> Response:
    """Have the browser ask for credentials where there are none, or wrong ones."""
    response = answer_failure(decode_error(error))
    if response.status_code == 401:
        api = (request.view_args or {})["api"]
        response.headers["WWW-Authenticate"] = CHALLENGE.format(api)
    return response
