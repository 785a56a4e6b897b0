"""Eyeglass lab orders: /v1."""

from flask import Blueprint, Response

from chassis.messages import Reader, Writer
from gateway import backends
from gateway.backends import call
from gateway.requests import answer, read, read_query
from protos.orders_pb2 import (
    CreateOrderRequest,
    CreateOrderResponse,
    CreateTokenRequest,
    GetOrderSettingsRequest,
    ListAddonsRequest,
    ListAddonsResponse,
    ListLabsRequest,
    ListLabsResponse,
    ListMaterialsRequest,
    ListMaterialsResponse,
    ListStylesRequest,
    ListStylesResponse,
    OrderSettings,
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
TOKEN = Writer(Token)
LABS = Writer(ListLabsResponse)
ORDER_SETTINGS = Writer(OrderSettings)
STYLES = Writer(ListStylesResponse)
MATERIALS = Writer(ListMaterialsResponse)
ADDONS = Writer(ListAddonsResponse, nulls=True)
ORDER_CREATED = Writer(CreateOrderResponse)


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


def _known() -> None:
    """Raise for callers without a token or a user."""
    call(backends.orders().ListLabs, ListLabsRequest())
