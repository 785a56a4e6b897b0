"""The events of each API as webhooks: built by the services' own functions, described here."""

import json
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any
from urllib.parse import parse_qsl

from chassis.events.formats import FORM_TYPE, parse_form
from chassis.events.outbox import TEST, build_test_event
from openapi.fields.schemas import Schemas
from openapi.fields.words import Constraints
from orders_svc.documents import events as order_events
from protos.sessions_pb2 import DispensedEye, DispensedPrescription, SessionEvent
from sessions_svc.documents.session_events import SESSION_EVENT_WRITER
from sessions_svc.rules.statuses import SESSION_COMPLETED, SESSION_UPDATED, Status
from subscriptions_svc.documents import events as subscription_events

NOW = datetime(2026, 3, 1, 12, 0, 0, 651999, UTC)
EVENT_ID = "evt_3f0c5d1e8a7b4c2d9e6f0a1b"
UUID = "a41e7c1c-8f2b-4f6e-9d0a-2b1c3d4e5f60"
MOMENT = "2026-03-01 13:00:00.651999000 CET +01:00"
JSON, FORM = "application/json", FORM_TYPE
MEANINGS = {
    TEST: "A sample that reports nothing, sent by hand (`events test`).",
    SESSION_UPDATED: "A session has moved: it is started, or awaits something.",
    SESSION_COMPLETED: "A session has ended: approved, referred or completed.",
    order_events.ORDER_SUBMITTED: "An order was submitted to its lab.",
    order_events.ORDER_STATUS_CHANGED: "An order has another status.",
    order_events.ORDER_CANCEL_REFUSED: "A lab refuses to cancel an order, and goes on with it.",
    subscription_events.CREATED: "A subscription was confirmed.",
    subscription_events.ACTIVATED: "The first year of a subscription has begun.",
    subscription_events.CANCELLED: "A subscription was cancelled.",
    subscription_events.UPDATED: "A changed cart has come into force, or a lens has changed.",
    subscription_events.PAYMENT_STATUS_CHANGED: "A payment was made, or has failed.",
    subscription_events.CUSTOMER_UPDATED: "Something else is kept of a customer.",
    subscription_events.INSTALMENT_DATE_CHANGED: "The payment of a month is due on another day.",
    subscription_events.ACCOUNT_IN_DEBT: "A payment of a confirmed subscription has failed.",
    subscription_events.ACCOUNT_UP_TO_DATE: "A debt was paid.",
    subscription_events.RENTING_PLAN_CHANGED: "The monthly price or the number of months has "
    "changed. Sent only to those who ask.",
    subscription_events.BOXES_DELIVERED: "Boxes were handed over. Sent only to those who ask.",
}
FIELDS = {
    "person_ref": "The owner's own reference of the person, if one was sent.",
    "charset": "Always UTF-8.",
    "utf": "Always √, to try the charset by.",
    "event": "The type of the event.",
    "event_id": "The id of the event, as in webhook-id.",
    "order_ref": "UUID of the subscription.",
    "order_ref_1": "The merchant's own reference.",
    "order_ref_2": "Always empty: a subscription has one reference.",
    "contract_number": "Assigned at confirmation.",
    "activated_at": "When it became active, in the merchant's time zone.",
    "updated_at": "When it happened, in the merchant's time zone.",
    "delivered_at": "When the boxes were handed over, in the merchant's time zone.",
    "successful": "Whether the payment was made: true or false.",
    "month": "The month that is paid for, from the activation, from 1.",
    "due_on": "The day on which it is due now, in the merchant's time zone.",
    "deliveries[][cart_item_reference_uuid]": "UUID of the item; once for each item.",
    "deliveries[][quantity]": "Boxes of the item before it.",
    "deliveries": "The items of which boxes were handed over.",
    "cart_item_reference_uuid": "UUID of the item.",
    "quantity": "Boxes of the item.",
    "type": "The type of the event.",
    "timestamp": "When it happened.",
    "data": "The order.",
    "id": "The order's id.",
    "lab_status": "submitted, in_progress, on_hold, shipped, ready_for_pickup or cancelled.",
    "created": "Unix time of the order, in seconds.",
    "submitted": "Unix time when it was submitted to the lab, in seconds.",
    "updated": "Unix time of its last change, in seconds.",
}
OMITTED = {"person_ref"}  # where none was sent
HEADERS = {
    "webhook-id": "The id of the event, the same on each try: drop duplicates by it.",
    "webhook-timestamp": "Unix time of this try, in seconds.",
    "webhook-signature": "Standard Webhooks: v1, and HMAC-SHA256 of id, timestamp and body.",
}
ANSWERS = {
    "2XX": "Acknowledged; the body is not read.",
    "410": "Disables the endpoint.",
    "501": "Declines this event; it is not sent again.",
    "default": "A failure: the event is sent again, ten times at most.",
}


def build_webhooks(service: str, schemas: Schemas) -> Constraints:
    """Return the `webhooks` of a document."""
    if service == "sessions":
        body = schemas.add_output(SESSION_EVENT_WRITER, SessionEvent.DESCRIPTOR)
        types: dict[str, Any] = {
            kind: {JSON: {"schema": body, "example": example}}
            for kind, example in _list_session_events().items()
        }
    elif service == "orders":
        types = {kind: _build_order_event(kind) for kind in order_events.EVENT_TYPES}
    else:
        types = {each: _describe_form(each, event) for each, event in _list_forms().items()}
    return {kind: {"post": _build_call(kind, content)} for kind, content in types.items()}


def build_test_content(service: str) -> Constraints:
    """Return the content of what `events test` sends."""
    if service != "subscriptions":
        return _describe_json(TEST, build_test_event("demo", NOW).body)
    made = subscription_events.build_test_event("tienda_moderna", NOW)
    return _describe_form(TEST, made.body.replace(made.id, EVENT_ID))


def _build_call(kind: str, content: Constraints) -> Constraints:
    names = "".join(
        word.capitalize() for word in kind.replace("/", "_").replace(".", "_").split("_")
    )
    return {
        "operationId": f"on{names}",
        "summary": MEANINGS[kind],
        "tags": ["Events"],
        "security": [],
        "parameters": [
            {
                "name": name,
                "in": "header",
                "required": True,
                "description": meaning,
                "schema": {"type": "string"},
            }
            for name, meaning in HEADERS.items()
        ],
        "requestBody": {"required": True, "content": content},
        "responses": {status: {"description": text} for status, text in ANSWERS.items()},
    }


def _list_session_events() -> dict[str, Any]:
    """Return the body of one event of each type."""
    eye = DispensedEye(sphere=-1.25, cylinder=-0.5, axis=90, pupillary_distance=31.5)
    dispensed = DispensedPrescription(
        id=1042,
        type="glasses",
        issue_date="2026-03-01",
        expiration_date="2028-03-01",
        right_eye=eye,
        left_eye=eye,
    )
    made = {
        SESSION_UPDATED: SessionEvent(status=Status.STARTED),
        SESSION_COMPLETED: SessionEvent(
            status=Status.APPROVED, dispensed_prescriptions=[dispensed]
        ),
    }
    for kind, event in made.items():
        event.type, event.user_key, event.session_key = kind, "user-7", "session-7"
        event.created_at.FromDatetime(NOW.replace(microsecond=0))
    return {kind: json.loads(SESSION_EVENT_WRITER.write(each)) for kind, each in made.items()}


def _build_order_event(kind: str) -> Constraints:
    order = {
        "id": "ord_bca2c385c6044dd13d3c552d",
        "lab_status": "submitted",
        "created_at": NOW,
        "person_ref": "person-1",
        "submitted_at": NOW,
        "updated_at": NOW,
    }
    return _describe_json(kind, order_events.build_event("demo-client", kind, order, NOW).body)


def _list_forms() -> dict[str, str]:
    """Return the body of one event of each type."""
    subscription: Any = SimpleNamespace(
        id=UUID,
        reference="ref001-5",
        person_ref="person-1",
        merchant_id="tienda_moderna",
        time_zone="Europe/Madrid",
    )
    made = (
        subscription_events.build_created(subscription, "C-000123"),
        subscription_events.build_activated(subscription, NOW),
        subscription_events.build_cancelled(subscription, NOW),
        subscription_events.build_updated(subscription, NOW),
        subscription_events.build_payment_status_changed(subscription, NOW, successful=True),
        subscription_events.build_customer_updated(subscription, NOW),
        subscription_events.build_instalment_date_changed(subscription, 2, NOW.date(), NOW),
        subscription_events.build_account_in_debt(subscription, NOW),
        subscription_events.build_account_up_to_date(subscription, NOW),
        subscription_events.build_renting_plan_changed(subscription, NOW),
        subscription_events.build_boxes_delivered(subscription, {UUID: 1}, NOW),
    )
    return {each.type: each.body.replace(each.id, EVENT_ID) for each in made}


def _describe_json(kind: str, text: str) -> Constraints:
    body = json.loads(text)
    schema = _describe_object(body)
    schema["properties"]["type"] |= {"enum": [kind]}
    schema["properties"]["timestamp"] |= {"format": "date-time"}
    return {JSON: {"schema": schema, "example": body}}


def _describe_form(kind: str, body: str) -> Constraints:
    """Return a form, and the JSON that an endpoint may ask for in its place."""
    content = {FORM: dict(parse_qsl(body, keep_blank_values=True)), JSON: parse_form(body)}
    described = {}
    for media_type, fields in content.items():
        schema = _describe_object(fields)
        schema["properties"]["event"] |= {"enum": [kind]}
        schema["properties"]["charset"] |= {"enum": [fields["charset"]]}
        described[media_type] = {"schema": schema, "example": fields}
    return described


def _describe_object(body: dict[str, Any]) -> Constraints:
    """Return the schema of an object, all of whose fields are always there."""
    return {
        "type": "object",
        "properties": {name: _describe_value(name, each) for name, each in body.items()},
        "required": [name for name in body if name not in OMITTED],
    }


def _describe_value(name: str, value: Any) -> Constraints:
    if isinstance(value, dict):
        return _describe_object(value) | {"description": FIELDS[name]}
    if isinstance(value, list):
        items = _describe_object(value[0])
        return {"type": "array", "items": items, "description": FIELDS[name]}
    kind: Constraints = {"type": "string"}
    if isinstance(value, int):
        kind = {"type": "integer", "format": "int64", "minimum": 0, "x-unit": "s"}
    return {**kind, "description": FIELDS[name], "examples": [value]}
