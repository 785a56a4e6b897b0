"""Contact-lens subscriptions: /api/public/v1."""

from functools import partial
from typing import Any

from flask import Blueprint, Response, g

from chassis.errors import IDEMPOTENCY_MISMATCH
from chassis.messages.reader import Reader
from chassis.messages.writer import Writer
from chassis.status import Code
from gateway import backends
from gateway.answers.links import link_pages
from gateway.backends import attempt, call
from gateway.callers import identify_caller
from gateway.problems import Dialect, Problem
from gateway.requests import answer, read, read_document, read_query
from protos.subscriptions_pb2 import (
    ActivateCartItemRequest,
    CancelSubscriptionRequest,
    CancelSubscriptionResponse,
    CartItem,
    ChangeGraduationRequest,
    CreateBoxDeliveriesRequest,
    CreateBoxDeliveriesResponse,
    CreatePreApprovalRequest,
    CreatePriceSimulationRequest,
    CreateSubscriptionRequest,
    CreateWarrantyEventRequest,
    CreateWarrantyEventResponse,
    Delivery,
    ExtendPeriodRequest,
    GetSubscriptionRequest,
    ListDeliveriesRequest,
    ListDeliveriesResponse,
    ListSubscriptionsRequest,
    ListSubscriptionsResponse,
    OverDelivery,
    PreApproval,
    PrescriptionRefusal,
    PriceSimulation,
    ReadCartItemsRequest,
    ReadCartItemsResponse,
    RecordBoxOutcomeRequest,
    ResetSmsCountRequest,
    SendEmailRequest,
    SendEmailResponse,
    SendSmsRequest,
    SendSmsResponse,
    Subscription,
    UpdateCustomerInfoRequest,
    UpdateProductsRequest,
    UpdateProductsResponse,
    WhoAmIRequest,
    WhoAmIResponse,
)

bp = Blueprint("subscriptions", __name__, url_prefix="/api/public/v1")

# Omitted from cart items of a type that does not have them, and where none was sent; other fields
# are null.
ONE_TYPE_ONLY = (
    "person_ref",
    "items",
    "product_data",
    "box_count",
    "exchange_cycle",
    "prescription",
    "delivered_boxes",
    "remaining_boxes",
    "subscription_vat_rate",
    "warranty_breakage_cost",
    "warranty_lost_cost",
)
WHO_AM_I = Reader(WhoAmIRequest)
CREATE_SUBSCRIPTION = Reader(CreateSubscriptionRequest, raw=("discounts",))
LIST_SUBSCRIPTIONS = Reader(ListSubscriptionsRequest)
GET_SUBSCRIPTION = Reader(GetSubscriptionRequest, path=("subscription_id",))
CREATE_BOX_DELIVERIES = Reader(CreateBoxDeliveriesRequest, path=("subscription_id",))
ACTIVATE_CART_ITEM = Reader(ActivateCartItemRequest, path=("subscription_id", "reference_uuid"))
UPDATE_PRODUCTS = Reader(UpdateProductsRequest, path=("subscription_id",))
CANCEL_SUBSCRIPTION = Reader(CancelSubscriptionRequest, path=("subscription_id",))
# The contract has 422 for every fault of a warranty event, malformed bodies included.
CREATE_WARRANTY_EVENT = Reader(
    CreateWarrantyEventRequest, path=("subscription_id",), reason="INVALID"
)
UPDATE_CUSTOMER_INFO = Reader(UpdateCustomerInfoRequest, path=("subscription_id",))
CHANGE_GRADUATION = Reader(ChangeGraduationRequest, path=("subscription_id", "reference_uuid"))
RESET_SMS_COUNT = Reader(ResetSmsCountRequest, path=("subscription_id",))
EXTEND_PERIOD = Reader(ExtendPeriodRequest, path=("subscription_id",))
CREATE_PRE_APPROVAL = Reader(CreatePreApprovalRequest)
CREATE_PRICE_SIMULATION = Reader(CreatePriceSimulationRequest, raw=("discounts",))
LIST_DELIVERIES = Reader(ListDeliveriesRequest, path=("subscription_id",))
RECORD_BOX_OUTCOME = Reader(RecordBoxOutcomeRequest, path=("subscription_id", "delivery_id"))
READ_CART_ITEMS = Reader(ReadCartItemsRequest, raw=("document",))
SEND_EMAIL = Reader(SendEmailRequest, path=("subscription_id",))
SEND_SMS = Reader(SendSmsRequest, path=("subscription_id",))
CALLER = Writer(WhoAmIResponse)
EMAIL_SENT = Writer(SendEmailResponse)
SMS_SENT = Writer(SendSmsResponse)
SUBSCRIPTION = Writer(Subscription, nulls=True, optional=ONE_TYPE_ONLY, raw=("discounts",))
SUBSCRIPTIONS = Writer(
    ListSubscriptionsResponse, nulls=True, optional=ONE_TYPE_ONLY, raw=("discounts",)
)
CART_ITEM = Writer(CartItem, nulls=True, optional=ONE_TYPE_ONLY)
BOX_DELIVERIES = Writer(CreateBoxDeliveriesResponse, optional=("warnings",))
PRODUCTS_UPDATED = Writer(UpdateProductsResponse)
SUBSCRIPTION_CANCELLED = Writer(CancelSubscriptionResponse)
WARRANTY_EVENT_CREATED = Writer(CreateWarrantyEventResponse)
PRE_APPROVAL = Writer(PreApproval)
PRICE_SIMULATION = Writer(PriceSimulation, nulls=True, optional=("items",))
# Of a new item only what was read.
NEW_CART_ITEMS = Writer(
    ReadCartItemsResponse,
    optional=("reference", "items", "id", "subscription_period", "expiration_date", "eye"),
)
DELIVERIES = Writer(ListDeliveriesResponse)
DELIVERY = Writer(Delivery)

# Code and title of an error, by reason; by default its lower-case name and the service's text.
ERROR_CODES = {
    "UNAUTHENTICATED": ("unauthorized", "Unauthorized"),
    "FORBIDDEN": ("unauthorized", "Unauthorized"),
    "ALREADY_EXISTS": ("conflict", None),
    "BUSY": ("conflict", None),
    "WRONG_STATE": ("no_confirmed_cart", None),
    "NOT_ALLOWED": ("invalid", None),
    IDEMPOTENCY_MISMATCH: ("invalid", None),
}


def write_errors(problem: Problem) -> dict[str, Any]:
    """Return `errors`, one per violation, with `source` where a field is at fault.

    A title that the contract fixes is explained by `detail`.
    """
    if problem.reason == "OVER_DELIVERY":
        return {"errors": _write_over_deliveries(problem), "request_id": g.request_id}
    if problem.reason == "PRESCRIPTION":
        return {"errors": _write_prescription_faults(problem), "request_id": g.request_id}
    code, title = ERROR_CODES.get(problem.reason, (problem.reason.lower(), None))
    errors: list[dict[str, Any]] = []
    for fault in problem.faults:
        source = {"source": fault.path} if fault.path else {}
        errors.append({"code": code, "title": fault.message, **source})
    if not errors:
        detail = {"detail": problem.detail} if title else {}
        errors.append({"code": code, "title": title or problem.detail, **detail})
    return {"errors": errors, "request_id": g.request_id}


def _write_over_deliveries(problem: Problem) -> list[dict[str, Any]]:
    over = OverDelivery()
    next(iter(problem.details)).Unpack(over)
    return [
        {
            "code": "over_delivery",
            "title": problem.detail,
            "cart_item_reference_uuid": item.cart_item_reference_uuid,
            "remaining_boxes": item.remaining_boxes,
        }
        for item in over.items
    ]


def _write_prescription_faults(problem: Problem) -> list[dict[str, Any]]:
    refusal = PrescriptionRefusal()
    next(iter(problem.details)).Unpack(refusal)
    return [
        {
            "code": each.code,
            "title": each.title,
            "cart_item_reference_uuid": each.cart_item_reference_uuid,
            **({"expiration_date": each.expiration_date} if each.expiration_date else {}),
            **({"verify_by": each.verify_by.ToJsonString()} if each.HasField("verify_by") else {}),
            **({"reason": each.reason} if each.reason else {}),
        }
        for each in refusal.items
    ]


DIALECT = Dialect(
    "/api/public/v1",
    write_errors,
    status={
        "INVALID": 422,
        "OVER_DELIVERY": 422,
        "PRESCRIPTION": 422,
        "NOT_ALLOWED": 422,
        Code.PERMISSION_DENIED: 401,
    },
)


@bp.get("/me")
def who_am_i() -> Response:
    request = read_query(WHO_AM_I, ahead=identify_caller)
    return answer(200, CALLER, call(backends.subscriptions().WhoAmI, request))


@bp.post("/subscriptions")
def create_subscription() -> Response:
    request = read(CREATE_SUBSCRIPTION, ahead=identify_caller)
    created = call(backends.subscriptions().CreateSubscription, request)
    location = f"{bp.url_prefix}/subscriptions/{created.id}"
    return answer(201, SUBSCRIPTION, created, location=location)


@bp.get("/subscriptions")
def list_subscriptions() -> Response:
    request = read_query(LIST_SUBSCRIPTIONS, ahead=identify_caller)
    page = call(backends.subscriptions().ListSubscriptions, request)
    return link_pages(answer(200, SUBSCRIPTIONS, page), page.meta)


@bp.get("/subscriptions/<subscription_id>")
def get_subscription(subscription_id: str) -> Response:
    request = read_query(
        GET_SUBSCRIPTION,
        ahead=partial(_require_subscription, subscription_id),
        subscription_id=subscription_id,
    )
    return answer(200, SUBSCRIPTION, call(backends.subscriptions().GetSubscription, request))


@bp.post("/subscriptions/<subscription_id>/box_deliveries")
def create_box_deliveries(subscription_id: str) -> Response:
    request = read(
        CREATE_BOX_DELIVERIES,
        ahead=partial(_require_subscription, subscription_id),
        subscription_id=subscription_id,
    )
    delivered = call(backends.subscriptions().CreateBoxDeliveries, request)
    return answer(200, BOX_DELIVERIES, delivered)


@bp.patch("/subscriptions/<subscription_id>/cart_items/<reference_uuid>/activate")
def activate_cart_item(subscription_id: str, reference_uuid: str) -> Response:
    request = read(
        ACTIVATE_CART_ITEM,
        ahead=partial(_require_subscription, subscription_id),
        subscription_id=subscription_id,
        reference_uuid=reference_uuid,
    )
    return answer(200, CART_ITEM, call(backends.subscriptions().ActivateCartItem, request))


@bp.post("/subscriptions/<subscription_id>/update_products")
def update_products(subscription_id: str) -> Response:
    request = read(
        UPDATE_PRODUCTS,
        ahead=partial(_require_subscription, subscription_id),
        subscription_id=subscription_id,
    )
    return answer(200, PRODUCTS_UPDATED, call(backends.subscriptions().UpdateProducts, request))


@bp.post("/subscriptions/<subscription_id>/cancel")
def cancel_subscription(subscription_id: str) -> Response:
    request = read(
        CANCEL_SUBSCRIPTION,
        ahead=partial(_require_subscription, subscription_id),
        subscription_id=subscription_id,
    )
    cancelled = call(backends.subscriptions().CancelSubscription, request)
    return answer(200, SUBSCRIPTION_CANCELLED, cancelled)


@bp.post("/subscriptions/<subscription_id>/warranty_event")
def create_warranty_event(subscription_id: str) -> Response:
    request = read(
        CREATE_WARRANTY_EVENT,
        ahead=partial(_require_subscription, subscription_id),
        subscription_id=subscription_id,
    )
    created = call(backends.subscriptions().CreateWarrantyEvent, request)
    return answer(200, WARRANTY_EVENT_CREATED, created)


@bp.get("/subscriptions/<subscription_id>/deliveries")
def list_deliveries(subscription_id: str) -> Response:
    request = read_query(
        LIST_DELIVERIES,
        ahead=partial(_require_subscription, subscription_id),
        subscription_id=subscription_id,
    )
    page = call(backends.subscriptions().ListDeliveries, request)
    return link_pages(answer(200, DELIVERIES, page), page.meta)


@bp.post("/subscriptions/<subscription_id>/deliveries/<delivery_id>/outcome")
def record_box_outcome(subscription_id: str, delivery_id: str) -> Response:
    request = read(
        RECORD_BOX_OUTCOME,
        ahead=partial(_require_subscription, subscription_id),
        subscription_id=subscription_id,
        delivery_id=delivery_id,
    )
    return answer(200, DELIVERY, call(backends.subscriptions().RecordBoxOutcome, request))


@bp.post("/subscriptions/<subscription_id>/update_customer_info")
def update_customer_info(subscription_id: str) -> Response:
    request = read(
        UPDATE_CUSTOMER_INFO,
        ahead=partial(_require_subscription, subscription_id),
        subscription_id=subscription_id,
    )
    return answer(200, SUBSCRIPTION, call(backends.subscriptions().UpdateCustomerInfo, request))


@bp.post("/subscriptions/<subscription_id>/cart_items/<reference_uuid>/change_graduation")
def change_graduation(subscription_id: str, reference_uuid: str) -> Response:
    request = read(
        CHANGE_GRADUATION,
        ahead=partial(_require_subscription, subscription_id),
        subscription_id=subscription_id,
        reference_uuid=reference_uuid,
    )
    return answer(200, CART_ITEM, call(backends.subscriptions().ChangeGraduation, request))


@bp.post("/subscriptions/<subscription_id>/reset_sms_count")
def reset_sms_count(subscription_id: str) -> Response:
    request = read(
        RESET_SMS_COUNT,
        ahead=partial(_require_subscription, subscription_id),
        subscription_id=subscription_id,
    )
    return answer(200, SUBSCRIPTION, call(backends.subscriptions().ResetSmsCount, request))


@bp.post("/subscriptions/<subscription_id>/extend_period")
def extend_period(subscription_id: str) -> Response:
    request = read(
        EXTEND_PERIOD,
        ahead=partial(_require_subscription, subscription_id),
        subscription_id=subscription_id,
    )
    return answer(200, SUBSCRIPTION, call(backends.subscriptions().ExtendPeriod, request))


@bp.post("/pre_approvals")
def create_pre_approval() -> Response:
    request = read(CREATE_PRE_APPROVAL, ahead=identify_caller)
    return answer(200, PRE_APPROVAL, call(backends.subscriptions().CreatePreApproval, request))


@bp.post("/price_simulations")
def create_price_simulation() -> Response:
    request = read(CREATE_PRICE_SIMULATION, ahead=identify_caller)
    simulated = call(backends.subscriptions().CreatePriceSimulation, request)
    return answer(200, PRICE_SIMULATION, simulated)


@bp.post("/fhir/VisionPrescription/$cart-items")
def read_cart_items() -> Response:
    request = read_document(READ_CART_ITEMS, ahead=identify_caller)
    items = call(backends.subscriptions().ReadCartItems, request)
    return answer(200, NEW_CART_ITEMS, items)


@bp.post("/subscriptions/<subscription_id>/send_email")
def send_email(subscription_id: str) -> Response:
    request = read(
        SEND_EMAIL, ahead=partial(_refuse_others, subscription_id), subscription_id=subscription_id
    )
    return answer(202, EMAIL_SENT, call(backends.subscriptions().SendEmail, request))


@bp.post("/subscriptions/<subscription_id>/send_sms")
def send_sms(subscription_id: str) -> Response:
    request = read(
        SEND_SMS, ahead=partial(_refuse_others, subscription_id), subscription_id=subscription_id
    )
    return answer(202, SMS_SENT, call(backends.subscriptions().SendSms, request))


def _require_subscription(subscription_id: str) -> None:
    """Raise for callers without an account, and unless the subscription is theirs."""
    request = GetSubscriptionRequest(subscription_id=subscription_id)
    call(backends.subscriptions().GetSubscription, request)


def _refuse_others(subscription_id: str) -> None:
    """Raise for callers without an account, and for another merchant's subscription.

    One that does not exist is left to the RPC: there it is one of the faults.
    """
    request = GetSubscriptionRequest(subscription_id=subscription_id)
    attempt(backends.subscriptions().GetSubscription, request, Code.NOT_FOUND)
