"""Eyeglass lab orders: /v1."""

from flask import Blueprint, Response

from chassis.messages.reader import Reader, field_names
from chassis.messages.writer import Writer
from gateway import backends
from gateway.backends import call
from gateway.requests import answer, read, read_query
from protos.orders_pb2 import (
    CreateOrderRequest,
    CreateOrderResponse,
    CreateTokenRequest,
    GetOrderJobRequest,
    GetOrderOutlineRequest,
    GetOrderRequest,
    GetOrderSettingsRequest,
    ListAddonsRequest,
    ListAddonsResponse,
    ListLabsRequest,
    ListLabsResponse,
    ListMaterialsRequest,
    ListMaterialsResponse,
    ListOrdersRequest,
    ListOrdersResponse,
    ListStylesRequest,
    ListStylesResponse,
    Order,
    OrderSettings,
    SubmitOrderRequest,
    Token,
)

bp = Blueprint("orders", __name__, url_prefix="/v1")

CREATE_TOKEN = Reader(CreateTokenRequest)
LIST_LABS = Reader(ListLabsRequest)
GET_ORDER_SETTINGS = Reader(GetOrderSettingsRequest, path=("lab",))
LIST_STYLES = Reader(ListStylesRequest)
LIST_MATERIALS = Reader(ListMaterialsRequest)
LIST_ADDONS = Reader(ListAddonsRequest)
CREATE_ORDER = Reader(CreateOrderRequest)
LIST_ORDERS = Reader(ListOrdersRequest)
GET_ORDER = Reader(GetOrderRequest, path=("order_id",))
SUBMIT_ORDER = Reader(SubmitOrderRequest, path=("order_id",))
GET_ORDER_OUTLINE = Reader(GetOrderOutlineRequest, path=("order_id",))
GET_ORDER_JOB = Reader(GetOrderJobRequest, path=("order_id",))
TOKEN = Writer(Token)
LABS = Writer(ListLabsResponse)
ORDER_SETTINGS = Writer(OrderSettings)
STYLES = Writer(ListStylesResponse)
MATERIALS = Writer(ListMaterialsResponse)
ADDONS = Writer(ListAddonsResponse, nulls=True)
ORDER_CREATED = Writer(CreateOrderResponse, optional=("warnings",))
ORDERS = Writer(ListOrdersResponse, nulls=True)
# What was not sent is not said.
ORDER = Writer(Order, nulls=True, optional={"traced", *field_names(CreateOrderRequest)})
# What is no JSON is opened by browsers, too: it shows its lines and does nothing.
FILE = {"Content-Security-Policy": "default-src 'none'", "X-Content-Type-Options": "nosniff"}


@bp.post("/oauth/token")
def create_token() -> Response:
    request = read(CREATE_TOKEN)
    return answer(200, TOKEN, call(backends.orders().CreateToken, request))


@bp.get("/labs")
def list_labs() -> Response:
    request = read_query(LIST_LABS, ahead=_known)
    return answer(200, LABS, call(backends.orders().ListLabs, request))


@bp.get("/labs/<lab>/order_settings")
def get_order_settings(lab: str) -> Response:
    request = read_query(GET_ORDER_SETTINGS, ahead=_known, lab=lab)
    return answer(200, ORDER_SETTINGS, call(backends.orders().GetOrderSettings, request))


@bp.get("/catalogs/styles")
def list_styles() -> Response:
    request = read_query(LIST_STYLES, ahead=_known)
    return answer(200, STYLES, call(backends.orders().ListStyles, request))


@bp.get("/catalogs/materials")
def list_materials() -> Response:
    request = read_query(LIST_MATERIALS, ahead=_known)
    return answer(200, MATERIALS, call(backends.orders().ListMaterials, request))


@bp.get("/catalogs/addons")
def list_addons() -> Response:
    request = read_query(LIST_ADDONS, ahead=_known)
    return answer(200, ADDONS, call(backends.orders().ListAddons, request))


@bp.post("/orders")
def create_order() -> Response:
    request = read(CREATE_ORDER, ahead=_known)
    order = call(backends.orders().CreateOrder, request)
    return answer(201, ORDER_CREATED, order, location=f"{bp.url_prefix}/orders/{order.id}")


@bp.get("/orders")
def list_orders() -> Response:
    request = read_query(LIST_ORDERS, ahead=_known)
    return answer(200, ORDERS, call(backends.orders().ListOrders, request))


@bp.get("/orders/<order_id>")
def get_order(order_id: str) -> Response:
    request = read_query(GET_ORDER, ahead=_known, order_id=order_id)
    return answer(200, ORDER, call(backends.orders().GetOrder, request))


@bp.post("/orders/<order_id>/submit")
def submit_order(order_id: str) -> Response:
    request = read(SUBMIT_ORDER, ahead=_known, order_id=order_id)
    return answer(200, ORDER, call(backends.orders().SubmitOrder, request))


@bp.get("/orders/<order_id>/outline.svg")
def get_order_outline(order_id: str) -> Response:
    request = read_query(GET_ORDER_OUTLINE, ahead=_known, order_id=order_id)
    outline = call(backends.orders().GetOrderOutline, request)
    return Response(outline.svg, content_type="image/svg+xml", headers=FILE)


@bp.get("/orders/<order_id>/oma")
def get_order_job(order_id: str) -> Response:
    request = read_query(GET_ORDER_JOB, ahead=_known, order_id=order_id)
    job = call(backends.orders().GetOrderJob, request)
    return Response(job.oma, content_type="text/plain; charset=utf-8", headers=FILE)


def _known() -> None:
    """Raise for callers without a token or a user."""
    call(backends.orders().ListLabs, ListLabsRequest())
