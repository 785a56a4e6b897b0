"""The dashboard: opticians log in, find their orders, review and submit them.

A logged-in user has a session of the orders service; its token is in a cookie and goes along
with every call. Each form carries a seal derived from that token, and forms from other sites are
refused. A second cookie, which opens nothing, marks the browser as one where its user has logged
in before. A search is posted, so that no patient's name is in a URL.
"""

import hmac
import re
from collections.abc import Mapping, Sequence
from typing import Any

from flask import Blueprint, Response, request, url_for

from chassis.errors import Failure, Fault, Forbidden
from chassis.status import Code
from gateway import backends
from gateway.backends import attempt, call, decode_error
from gateway.channel import RpcError
from gateway.pages import render_page
from gateway.pages.notation import to_datetime
from gateway.pages.orders_edit import (
    PACKAGE,
    Editor,
    apply_form,
    apply_package,
    copy_document,
    find_edited_paths,
    write_if_match,
)
from gateway.pages.orders_life import describe_cancellation, describe_delivery, list_history
from gateway.pages.orders_list import describe_filters, find_caller, read_filters
from gateway.pages.orders_session import (
    DEVICE,
    authorize,
    choose_cookie_name,
    is_https,
    is_same_origin,
    make_seal,
    read_token,
    redirect_logged_out,
    redirect_to,
    restrict_path,
)
from gateway.pages.orders_sheet import Sheet, describe_status
from gateway.problems import answer_failure
from protos.orders_pb2 import (
    AcceptInvitationRequest,
    CancelOrderRequest,
    CreateTrackingLinkRequest,
    DeleteOrderRequest,
    DuplicateOrderRequest,
    GetInvitationRequest,
    GetOrderRequest,
    GetOrderSettingsRequest,
    GetReviewRequest,
    LogInRequest,
    LogOutRequest,
    MarkOrderReadyRequest,
    RedoReason,
    ReplaceOrderRequest,
    SearchOrdersRequest,
    SubmitOrderRequest,
)

bp = Blueprint("dashboard", __name__, url_prefix="/orders")
bp.context_processor(lambda: {"caller": lambda: find_caller(authorize())})  # asked as needed
ORDERS_PER_PAGE = 20
LOGIN_STATUS = {"TOO_MANY_ATTEMPTS": 429}
LOGIN_HEADERS = {429: {"Retry-After": "900"}}
LOGIN_ENDPOINT = "dashboard.show_login"
LOGIN_ACTION = "dashboard.log_in"
# Forms that carry a secret of their own.
UNSEALED_ENDPOINTS = frozenset({LOGIN_ACTION, "dashboard.accept_invitation"})
CURSORS = ("starting_after", "ending_before")
_ACTION = re.compile(r"/(submit|edit|delete|cancel|duplicate|ready_for_pickup|tracking_link)\Z")


@bp.get("/login")
def show_login() -> Response:
    return render_login(request.args.get("next", ""), is_ready="ready" in request.args)


@bp.post("/login")
def log_in() -> Response:
    form, onward = request.form, restrict_path(request.form.get("next", ""))
    message = LogInRequest(
        email=form.get("email", "").strip(),
        password=form.get("password", ""),
        address=request.remote_addr or "",
        replaces=read_token(),
        device=read_token(DEVICE),
    )
    session = attempt(backends.dashboard().LogIn, message, Code.UNAUTHENTICATED, authorization="")
    if isinstance(session, Failure):
        return render_login(onward, session, message.email)
    response = redirect_to(onward)
    response.set_cookie(
        choose_cookie_name(),
        session.token,
        secure=is_https(),
        httponly=True,
        samesite="Lax",
    )
    response.set_cookie(
        choose_cookie_name(DEVICE),
        session.device,
        expires=session.device_expires,
        secure=is_https(),
        httponly=True,
        samesite="Lax",
    )
    return response


@bp.get("/invitations/<token>")
def show_invitation(token: str) -> Response:
    return render_invitation(token)


@bp.post("/invitations/<token>")
def accept_invitation(token: str) -> Response:
    password = request.form.get("password", "")
    if password != request.form.get("again", ""):
        return render_invitation(token, "The two passwords differ.")
    accepted = attempt(
        backends.dashboard().AcceptInvitation,
        AcceptInvitationRequest(token=token, password=password),
        Code.INVALID_ARGUMENT,
        authorization="",
    )
    if isinstance(accepted, Failure):
        return render_invitation(token, f"The password: {accepted.faults[0].message}")
    return redirect_to(url_for(LOGIN_ENDPOINT, ready=1))


@bp.post("/logout")
def log_out() -> Response:
    call(backends.dashboard().LogOut, LogOutRequest(), authorization=authorize())
    return redirect_logged_out(url_for(LOGIN_ENDPOINT))


@bp.get("")
@bp.post("")
def search_orders() -> Response:
    fields = request.form if request.method == "POST" else request.args
    return render_orders(fields, request.form.get("text", "").strip())


@bp.get("/<order_id>")
def get_review(order_id: str) -> Response:
    return render_review(
        order_id, is_submitted="sent" in request.args, edits_all="edit" in request.args
    )


@bp.post("/<order_id>/submit")
def submit_order(order_id: str) -> Response:
    return submit(order_id, request.form.getlist("acknowledged_warnings"))


@bp.post("/<order_id>/edit")
def replace_order(order_id: str) -> Response:
    """Put what was typed into the order; then submit it, if this is wanted."""
    form = request.form
    get = GetOrderRequest(order_id=order_id)
    order = call(backends.orders().GetOrder, get, authorization=authorize())
    document = copy_document(order)
    faults = apply_form(document, form)
    if form.get(PACKAGE):
        apply_package(document, form[PACKAGE], authorize())
    if faults:
        return render_review(order_id, faults, form=form)
    replaced = attempt(
        backends.orders().ReplaceOrder,
        ReplaceOrderRequest(order_id=order_id, order=document),
        Code.INVALID_ARGUMENT,
        Code.FAILED_PRECONDITION,
        authorization=authorize(),
        if_match=write_if_match(form.get("version", "")),
    )
    if isinstance(replaced, Failure) and replaced.code is Code.FAILED_PRECONDITION:
        return render_review(order_id, is_stale=True)
    if isinstance(replaced, Failure):
        return render_review(order_id, replaced.faults, form=form)
    if "submit" in form:
        return submit(order_id, form.getlist("acknowledged_warnings"))
    return redirect_to(url_for("dashboard.get_review", order_id=order_id))


@bp.post("/<order_id>/delete")
def delete_order(order_id: str) -> Response:
    asked = DeleteOrderRequest(order_id=order_id)
    return act(backends.orders().DeleteOrder, asked, order_id, onward="/orders")


@bp.post("/<order_id>/cancel")
def cancel_order(order_id: str) -> Response:
    return act(backends.orders().CancelOrder, CancelOrderRequest(order_id=order_id), order_id)


@bp.post("/<order_id>/duplicate")
def duplicate_order(order_id: str) -> Response:
    form = request.form
    wanted = form.get("submission_type", "new")
    redo = RedoReason(type=form.get("type", ""), reason=form.get("reason", "").strip())
    asked = DuplicateOrderRequest(
        order_id=order_id,
        submission_type=wanted,
        redo_data=redo if wanted == "redo" else None,
    )
    made = attempt(
        backends.orders().DuplicateOrder,
        asked,
        Code.INVALID_ARGUMENT,
        Code.FAILED_PRECONDITION,
        authorization=authorize(),
    )
    if isinstance(made, Failure):
        return render_review(order_id, refused=made)
    return redirect_to(url_for("dashboard.get_review", order_id=made.id))


@bp.post("/<order_id>/ready_for_pickup")
def mark_order_ready(order_id: str) -> Response:
    asked = MarkOrderReadyRequest(order_id=order_id)
    return act(backends.orders().MarkOrderReady, asked, order_id)


@bp.post("/<order_id>/tracking_link")
def create_tracking_link(order_id: str) -> Response:
    asked = CreateTrackingLinkRequest(order_id=order_id, send="send" in request.form)
    refusals = (Code.FAILED_PRECONDITION, Code.INVALID_ARGUMENT)
    rpc = backends.orders().CreateTrackingLink
    link = attempt(rpc, asked, *refusals, authorization=authorize())
    if isinstance(link, Failure):
        return render_review(order_id, refused=link)
    return render_review(order_id, tracking_url=link.url)


def submit(order_id: str, acknowledged: list[str]) -> Response:
    """Submit a draft, and return its page: with each fault beside its field, if it is refused."""
    submitted = attempt(
        backends.orders().SubmitOrder,
        SubmitOrderRequest(order_id=order_id, acknowledged_warnings=acknowledged),
        Code.INVALID_ARGUMENT,
        Code.FAILED_PRECONDITION,
        authorization=authorize(),
    )
    if isinstance(submitted, Failure) and submitted.code is Code.INVALID_ARGUMENT:
        return render_review(order_id, submitted.faults)
    # An order that is no longer a draft is with the lab, and its page says so.
    return redirect_to(url_for("dashboard.get_review", order_id=order_id, sent=1))


def render_invitation(token: str, fault: str = "") -> Response:
    """Return the form in which an invited user sets a password; opening it changes nothing."""
    message = GetInvitationRequest(token=token)
    invitation = call(backends.dashboard().GetInvitation, message, authorization="")
    return render_page(
        "orders_invitation.html",
        422 if fault else 200,
        title="Set your password",
        headers={"Referrer-Policy": "no-referrer"},
        email=invitation.email,
        fault=fault,
    )


def act(rpc: Any, message: Any, order_id: str, *, onward: str = "") -> Response:
    """Call an RPC about an order, and return to a page; one that is refused shows why."""
    done = attempt(rpc, message, Code.FAILED_PRECONDITION, authorization=authorize())
    if isinstance(done, Failure):
        return render_review(order_id, refused=done)
    return redirect_to(onward or url_for("dashboard.get_review", order_id=order_id))


def render_login(
    onward: str, failure: Failure | None = None, email: str = "", *, is_ready: bool = False
) -> Response:
    """Return the login form, with the reason of a failed login."""
    status = 200 if failure is None else LOGIN_STATUS.get(failure.reason, 401)
    return render_page(
        "orders_login.html",
        status,
        headers=LOGIN_HEADERS.get(status),
        title="Log in",
        onward=restrict_path(onward),
        email=email,
        failure=failure,
        is_ready=is_ready,
    )


def render_orders(fields: Mapping[str, str], text: str) -> Response:
    """Return a page of orders: after a cursor, before one, or the first."""
    cursor = {name: fields[name] for name in CURSORS if fields.get(name)}
    filters = read_filters(fields)
    message = SearchOrdersRequest(text=text, limit=ORDERS_PER_PAGE, **cursor, **filters)
    found = call(backends.dashboard().SearchOrders, message, authorization=authorize())
    is_backward = "ending_before" in cursor
    has_newer = found.has_more if is_backward else bool(cursor)
    has_older = is_backward or found.has_more
    orders = found.data
    return render_page(
        "orders.html",
        title="Orders",
        seal=make_seal(),
        text=text,
        found=found,
        newer=orders[0].id if orders and has_newer else "",
        older=orders[-1].id if orders and has_older else "",
        is_first=not cursor,
        **describe_filters(filters, find_caller(authorize())),
        describe_status=describe_status,
        to_datetime=to_datetime,
    )


def render_review(
    order_id: str,
    faults: Sequence[Fault] = (),
    *,
    form: Any = None,
    is_submitted: bool = False,
    edits_all: bool = False,
    is_stale: bool = False,
    refused: Failure | None = None,
    tracking_url: str = "",
) -> Response:
    """Return the review of an order.

    After a refusal each fault is beside its field, and the field is an input; `form` is what was
    typed before. `refused` is why another action was refused.
    """
    message = GetReviewRequest(order_id=order_id)
    review = call(backends.dashboard().GetReview, message, authorization=authorize())
    order, editor = review.order, None
    if order.available_actions.edit:
        paths = find_edited_paths(order, faults, form, edits_all=edits_all)
        editor = Editor(order, paths, authorize(), form) if paths else None
    redo_types: Sequence[str] = ()
    if order.available_actions.redo:
        where = GetOrderSettingsRequest(lab=order.lab, account_number=order.account_number)
        rpc = backends.orders().GetOrderSettings
        redo_types = call(rpc, where, authorization=authorize()).redo_types
    is_conflict = is_stale or refused is not None
    return render_page(
        "orders_order.html",
        409 if is_conflict else 422 if faults else 200,
        title="Review of an order",
        seal=make_seal(),
        sheet=Sheet(review, [(fault.path, fault.message) for fault in faults], editor),
        is_submitted=is_submitted,
        is_stale=is_stale,
        refused=refused,
        tracking_url=tracking_url,
        is_mailed="send" in request.form,
        edits_all=edits_all,
        redo_types=redo_types,
        history=list_history(order),
        cancellation=list(describe_cancellation(order)),
        delivery=describe_delivery(order),
        to_datetime=to_datetime,
    )


@bp.before_request
def check_form() -> None:
    """Raise for a form that comes from another site or carries another session's seal."""
    if request.method != "POST":
        return
    needs_no_seal = request.endpoint in UNSEALED_ENDPOINTS or not read_token()
    is_sealed = hmac.compare_digest(request.form.get("seal", "").encode(), make_seal().encode())
    if not is_same_origin() or not (needs_no_seal or is_sealed):
        raise Forbidden(
            "This form is from another site, or its session has ended. "
            "Reload the page, and send it again."
        )


@bp.errorhandler(RpcError)
def answer_rpc_error(error: RpcError) -> Response:
    """Send users without a session to the login, which returns them to the requested page."""
    failure = decode_error(error)
    if failure.code is not Code.UNAUTHENTICATED:
        return answer_failure(failure)
    path = restrict_path(_ACTION.sub("", request.path))
    return redirect_logged_out(url_for(LOGIN_ENDPOINT, next=None if path == "/orders" else path))
