"""Eyeglass lab orders: /v1."""

from typing import Any

from flask import Blueprint, Response, g
from flask import request as http_request

from chassis.errors import Unauthenticated
from chassis.messages.reader import MALFORMED, Reader, list_field_names
from chassis.messages.writer import Writer
from gateway import backends
from gateway.answers.links import link_cursors
from gateway.answers.validators import require_if_match
from gateway.backends import call
from gateway.bodies import read_body
from gateway.callers import identify_caller
from gateway.oauth import answer_token_request
from gateway.problems import Dialect, Problem
from gateway.rates.guesses import count_unusable
from gateway.requests import FHIR_JSON, FILE_HEADERS, answer, read, read_document, read_query
from protos.orders_pb2 import (
    Cancellation,
    CancelOrderRequest,
    CreateLensPackageRequest,
    CreateOrderRequest,
    CreateOrderResponse,
    CreateTrackingLinkRequest,
    DeleteLensPackageRequest,
    DeleteOrderRequest,
    DuplicateOrderRequest,
    GetOrderFhirRequest,
    GetOrderJobRequest,
    GetOrderOutlineRequest,
    GetOrderRequest,
    GetOrderSettingsRequest,
    HistoryEntry,
    LensPackage,
    ListAddonsRequest,
    ListAddonsResponse,
    ListLabsRequest,
    ListLabsResponse,
    ListLensPackagesRequest,
    ListLensPackagesResponse,
    ListMaterialsRequest,
    ListMaterialsResponse,
    ListOrdersRequest,
    ListOrdersResponse,
    ListStylesRequest,
    ListStylesResponse,
    MarkOrderReadyRequest,
    Order,
    OrderRx,
    OrderSettings,
    ReadOrderRxRequest,
    ReplaceOrderRequest,
    SubmitOrderRequest,
    TrackingLink,
    Warning,
    WhoAmIRequest,
    WhoAmIResponse,
)

bp = Blueprint("orders", __name__, url_prefix="/v1")

WHO_AM_I = Reader(WhoAmIRequest)
LIST_LABS = Reader(ListLabsRequest)
GET_ORDER_SETTINGS = Reader(GetOrderSettingsRequest, path=("lab",))
LIST_STYLES = Reader(ListStylesRequest)
LIST_MATERIALS = Reader(ListMaterialsRequest)
LIST_ADDONS = Reader(ListAddonsRequest)
CREATE_ORDER = Reader(CreateOrderRequest)
LIST_ORDERS = Reader(
    ListOrdersRequest,
    hints=dict.fromkeys(
        ("created_gt", "created_gte", "created_lt", "created_lte"),
        "Must be an integer of Unix seconds, such as 1767225600.",
    ),
)
GET_ORDER = Reader(GetOrderRequest, path=("order_id",))
DELETE_ORDER = Reader(DeleteOrderRequest, path=("order_id",))
SUBMIT_ORDER = Reader(SubmitOrderRequest, path=("order_id",))
CANCEL_ORDER = Reader(CancelOrderRequest, path=("order_id",))
DUPLICATE_ORDER = Reader(DuplicateOrderRequest, path=("order_id",))
MARK_ORDER_READY = Reader(MarkOrderReadyRequest, path=("order_id",))
CREATE_TRACKING_LINK = Reader(CreateTrackingLinkRequest, path=("order_id",))
LIST_LENS_PACKAGES = Reader(ListLensPackagesRequest)
CREATE_LENS_PACKAGE = Reader(CreateLensPackageRequest)
DELETE_LENS_PACKAGE = Reader(DeleteLensPackageRequest, path=("package_id",))
GET_ORDER_OUTLINE = Reader(GetOrderOutlineRequest, path=("order_id",))
GET_ORDER_FHIR = Reader(GetOrderFhirRequest, path=("order_id",))
READ_ORDER_RX = Reader(ReadOrderRxRequest, raw=("document",))
GET_ORDER_JOB = Reader(GetOrderJobRequest, path=("order_id",))
CALLER = Writer(WhoAmIResponse)
LABS = Writer(ListLabsResponse)
ORDER_SETTINGS = Writer(OrderSettings)
STYLES = Writer(ListStylesResponse)
MATERIALS = Writer(ListMaterialsResponse)
ADDONS = Writer(ListAddonsResponse, nulls=True)
ORDER_CREATED = Writer(CreateOrderResponse, optional=("warnings", "editable_until"))
ORDERS = Writer(ListOrdersResponse, nulls=True)
TRACKING_LINK = Writer(TrackingLink)
LENS_PACKAGES = Writer(ListLensPackagesResponse, optional=("coats", "tint", "tint_instruction"))
LENS_PACKAGE = Writer(LensPackage, optional=("coats", "tint", "tint_instruction"))
# Fields absent from the order, or from a warning, are omitted.
ORDER = Writer(
    Order,
    nulls=True,
    optional={
        "traced",
        "editable_until",
        "cancellation",
        "original",
        "redone_by",
        "pairs",
        *list_field_names(HistoryEntry),
        *list_field_names(Cancellation),
        *list_field_names(CreateOrderRequest),
        *list_field_names(Warning) - {"message"},
    },
)
ORDER_RX = Writer(OrderRx)

ERROR_TYPES = {
    401: "authentication_error",
    403: "permission_error",
    429: "rate_limit_error",
}
ERROR_CODES = {"INVALID": "invalid_request", MALFORMED: "invalid_request"}


def write_error(problem: Problem) -> dict[str, Any]:
    """Return `error` with the `param` of the first fault; `errors` lists several."""
    default = "api_error" if problem.status >= 500 else "invalid_request_error"
    error: dict[str, Any] = {
        "type": ERROR_TYPES.get(problem.status, default),
        "message": problem.detail,
        "code": ERROR_CODES.get(problem.reason, problem.reason.lower()),
        "request_id": g.request_id,
    }
    named = [fault for fault in problem.faults if fault.path]
    if problem.faults:
        error["message"] = problem.faults[0].message
    if named:
        error["param"] = named[0].path
    if len(problem.faults) > 1:
        error["errors"] = [{"param": each.path, "message": each.message} for each in problem.faults]
    return {"error": error}


SESSION_TEXT = (
    "A session of the dashboard is no credential of the API; send Authorization: Bearer <token>, "
    "with a token from POST /v1/oauth/token."
)
DIALECT = Dialect("/v1", write_error, 'Bearer realm="optigate"')


@bp.before_request
def refuse_sessions() -> None:
    """Raise Unauthenticated for the session of a browser: it is for the dashboard's pages alone."""
    headers = http_request.environ
    authorization = headers.get("HTTP_AUTHORIZATION", "")
    if authorization.lower().startswith("session"):
        raise Unauthenticated(SESSION_TEXT)


@bp.get("/me")
def who_am_i() -> Response:
    request = read_query(WHO_AM_I, ahead=identify_caller)
    return answer(200, CALLER, call(backends.orders().WhoAmI, request))


@bp.post("/oauth/token")
def create_token() -> Response:
    with count_unusable():
        return answer_token_request(read_body())


@bp.get("/labs")
def list_labs() -> Response:
    request = read_query(LIST_LABS, ahead=identify_caller)
    return answer(200, LABS, call(backends.orders().ListLabs, request))


@bp.get("/labs/<lab>/order_settings")
def get_order_settings(lab: str) -> Response:
    request = read_query(GET_ORDER_SETTINGS, ahead=identify_caller, lab=lab)
    return answer(200, ORDER_SETTINGS, call(backends.orders().GetOrderSettings, request))


@bp.get("/catalogs/styles")
def list_styles() -> Response:
    request = read_query(LIST_STYLES, ahead=identify_caller)
    return answer(200, STYLES, call(backends.orders().ListStyles, request))


@bp.get("/catalogs/materials")
def list_materials() -> Response:
    request = read_query(LIST_MATERIALS, ahead=identify_caller)
    return answer(200, MATERIALS, call(backends.orders().ListMaterials, request))


@bp.get("/catalogs/addons")
def list_addons() -> Response:
    request = read_query(LIST_ADDONS, ahead=identify_caller)
    return answer(200, ADDONS, call(backends.orders().ListAddons, request))


@bp.post("/orders")
def create_order() -> Response:
    request = read(CREATE_ORDER, ahead=identify_caller)
    order = call(backends.orders().CreateOrder, request)
    return answer(201, ORDER_CREATED, order, location=f"{bp.url_prefix}/orders/{order.id}")


@bp.get("/orders")
def list_orders() -> Response:
    request = read_query(LIST_ORDERS, ahead=identify_caller)
    page = call(backends.orders().ListOrders, request)
    return link_cursors(answer(200, ORDERS, page), page)


@bp.get("/orders/<order_id>")
def get_order(order_id: str) -> Response:
    request = read_query(GET_ORDER, ahead=identify_caller, order_id=order_id)
    return answer(200, ORDER, call(backends.orders().GetOrder, request))


@bp.put("/orders/<order_id>")
def replace_order(order_id: str) -> Response:
    order = read(CREATE_ORDER, ahead=identify_caller)
    require_if_match()
    request = ReplaceOrderRequest(order_id=order_id, order=order)
    return answer(200, ORDER, call(backends.orders().ReplaceOrder, request))


@bp.delete("/orders/<order_id>")
def delete_order(order_id: str) -> Response:
    request = read(DELETE_ORDER, ahead=identify_caller, order_id=order_id)
    call(backends.orders().DeleteOrder, request)
    return Response(status=204)


@bp.post("/orders/<order_id>/submit")
def submit_order(order_id: str) -> Response:
    request = read(SUBMIT_ORDER, ahead=identify_caller, order_id=order_id)
    return answer(200, ORDER, call(backends.orders().SubmitOrder, request))


@bp.post("/orders/<order_id>/cancel")
def cancel_order(order_id: str) -> Response:
    request = read(CANCEL_ORDER, ahead=identify_caller, order_id=order_id)
    return answer(200, ORDER, call(backends.orders().CancelOrder, request))


@bp.post("/orders/<order_id>/duplicate")
def duplicate_order(order_id: str) -> Response:
    request = read(DUPLICATE_ORDER, ahead=identify_caller, order_id=order_id)
    order = call(backends.orders().DuplicateOrder, request)
    return answer(201, ORDER_CREATED, order, location=f"{bp.url_prefix}/orders/{order.id}")


@bp.post("/orders/<order_id>/ready_for_pickup")
def mark_order_ready(order_id: str) -> Response:
    request = read(MARK_ORDER_READY, ahead=identify_caller, order_id=order_id)
    return answer(200, ORDER, call(backends.orders().MarkOrderReady, request))


@bp.post("/orders/<order_id>/tracking_link")
def create_tracking_link(order_id: str) -> Response:
    request = read(CREATE_TRACKING_LINK, ahead=identify_caller, order_id=order_id)
    return answer(201, TRACKING_LINK, call(backends.orders().CreateTrackingLink, request))


@bp.get("/lens_packages")
def list_lens_packages() -> Response:
    request = read_query(LIST_LENS_PACKAGES, ahead=identify_caller)
    return answer(200, LENS_PACKAGES, call(backends.orders().ListLensPackages, request))


@bp.post("/lens_packages")
def create_lens_package() -> Response:
    request = read(CREATE_LENS_PACKAGE, ahead=identify_caller)
    return answer(201, LENS_PACKAGE, call(backends.orders().CreateLensPackage, request))


@bp.delete("/lens_packages/<package_id>")
def delete_lens_package(package_id: str) -> Response:
    request = read(DELETE_LENS_PACKAGE, ahead=identify_caller, package_id=package_id)
    call(backends.orders().DeleteLensPackage, request)
    return Response(status=204)


@bp.get("/orders/<order_id>/outline.svg")
def get_order_outline(order_id: str) -> Response:
    request = read_query(GET_ORDER_OUTLINE, ahead=identify_caller, order_id=order_id)
    outline = call(backends.orders().GetOrderOutline, request)
    return Response(outline.svg, content_type="image/svg+xml", headers=FILE_HEADERS)


@bp.get("/orders/<order_id>/oma")
def get_order_job(order_id: str) -> Response:
    request = read_query(GET_ORDER_JOB, ahead=identify_caller, order_id=order_id)
    job = call(backends.orders().GetOrderJob, request)
    return Response(job.oma, content_type="text/plain; charset=utf-8", headers=FILE_HEADERS)


@bp.get("/orders/<order_id>/fhir")
def get_order_fhir(order_id: str) -> Response:
    request = read_query(GET_ORDER_FHIR, ahead=identify_caller, order_id=order_id)
    document = call(backends.orders().GetOrderFhir, request)
    return Response(document.json, content_type=FHIR_JSON, headers=FILE_HEADERS)


@bp.post("/fhir/VisionPrescription/$order-rx")
def read_order_rx() -> Response:
    request = read_document(READ_ORDER_RX, ahead=identify_caller)
    return answer(200, ORDER_RX, call(backends.orders().ReadOrderRx, request))
