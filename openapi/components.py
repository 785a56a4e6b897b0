"""What all calls share: credentials, header parameters, headers of answers, and error bodies."""

from typing import Any

from gateway.orders import DIALECT as ORDERS
from openapi.fields.words import Constraints
from subscriptions_svc.rules.shapes import MAX_COUNT

BASIC: Constraints = {
    "type": "http",
    "scheme": "basic",
    "description": "The name of the account and its secret.",
}
SECURITY_SCHEMES: dict[str, Constraints] = {
    "sessions": {"basic": BASIC},
    "orders": {
        "oauth2": {
            "type": "oauth2",
            "description": "Client credentials (RFC 6749 section 4.4). The token lasts 24 hours.",
            "flows": {
                "clientCredentials": {"tokenUrl": f"{ORDERS.prefix}/oauth/token", "scopes": {}}
            },
        },
        "bearer": {
            "type": "http",
            "scheme": "bearer",
            "description": "A token of POST /v1/oauth/token.",
        },
        "basic": {**BASIC, "description": "For the token route: client_id and client_secret."},
    },
    "subscriptions": {"basic": BASIC},
}
SECURITY: dict[str, list[Constraints]] = {
    "sessions": [{"basic": []}],
    "orders": [{"oauth2": []}, {"bearer": []}],
    "subscriptions": [{"basic": []}],
}
PARAMETERS: Constraints = {
    "IdempotencyKey": {
        "name": "Idempotency-Key",
        "in": "header",
        "description": "Your name for one effect, kept for 24 hours. The same key with the same "
        "request returns the first answer; with another request it is refused (422).",
        "schema": {
            "type": "string",
            "minLength": 1,
            "maxLength": 255,
            "pattern": "^[!-~]+$",
            "examples": ["order-1001"],
        },
    },
    "RequestId": {
        "name": "X-Request-Id",
        "in": "header",
        "description": "Your id of this request, of 1 to 128 letters, digits, dots, underscores "
        "and hyphens; in place of any other text, an id is assigned.",
        "schema": {"type": "string", "examples": ["till-7-000123"]},
    },
    "IfMatch": {
        "name": "If-Match",
        "in": "header",
        "description": "The ETag of the version that you change; 412 if it is another.",
        "schema": {"type": "string", "examples": ['"v7"']},
    },
    "RequiredIfMatch": {
        "name": "If-Match",
        "in": "header",
        "required": True,
        "description": "The ETag of a GET: the version that the change is based on.",
        "schema": {"type": "string"},
        "example": '"v1"',
    },
    "IfNoneMatch": {
        "name": "If-None-Match",
        "in": "header",
        "description": "The ETag of what you have; 304 without a body if it is the same.",
        "schema": {"type": "string", "examples": ['"v6"']},
    },
    "UserEmail": {
        "name": "User-Email",
        "in": "header",
        "required": True,
        "description": "E-mail address of the dashboard user that the call acts for.",
        "schema": {"type": "string", "format": "email"},
        "example": "optician@example.com",
    },
}


def _header(meaning: str, example: str, **schema: object) -> Constraints:
    return {"description": meaning, "schema": {"type": "string", "examples": [example], **schema}}


RESPONSE_HEADERS: Constraints = {
    "X-Request-Id": _header("The id of this request, as the log has it.", "till-7-000123"),
    "Location": _header("Where the new thing is.", "/v1/orders/ord_bca2c385c6044dd13d3c552d"),
    "Idempotent-Replayed": _header(
        "True if this is the kept answer of an earlier request.", "true", enum=["true"]
    ),
    "ETag": _header("The version of what is returned, or a weak tag of its body.", '"v7"'),
    "Link": _header(
        "The pages beside this one, as rel=next and rel=prev (RFC 8288).",
        '</v1/orders?starting_after=ord_bca2c385c6044dd13d3c552d>; rel="next"',
    ),
    "WWW-Authenticate": _header("The credentials that are wanted.", 'Basic realm="optigate"'),
    "Retry-After": _header("Seconds to wait before the next try.", "1", pattern="^[0-9]+$"),
    "RateLimit": _header(
        "What is left of the limit, and the seconds until it is whole again, where the operator "
        "has set limits.",
        '"account";r=99;t=1',
    ),
    "RateLimit-Policy": _header(
        "The limit: requests in a window of seconds.", '"account";q=100;w=60'
    ),
}

DISQUALIFICATIONS = ["age", "region", "unknown_product_key", "prescription"]
REQUEST_ID: Constraints = {
    "type": "string",
    "pattern": "^[A-Za-z0-9._-]{1,128}$",
    "description": "The value of X-Request-Id: quote it when you ask for help.",
    "examples": ["6f1c2a0e9d3b4f58a7c6e5d4b3a29180"],
}


def text(description: str, *examples: str, **more: Any) -> Constraints:
    """Return the schema of a text."""
    built: Constraints = {"type": "string", "description": description, **more}
    return built | ({"examples": list(examples)} if examples else {})


def record(description: str, required: list[str], **properties: Any) -> Constraints:
    """Return the schema of an object."""
    return {
        "type": "object",
        "description": description,
        "properties": properties,
        "required": required,
    }


PATH = "prescriptions.0.left_eye.axis"
PROBLEM = record(
    "A refusal (RFC 9457).",
    ["type", "title", "status", "detail", "request_id"],
    type=text("A URI of the problem's type.", "about:blank"),
    title=text("The status in words.", "Bad Request"),
    status={
        "type": "integer",
        "minimum": 400,
        "maximum": 599,
        "description": "The HTTP status.",
        "examples": [400],
    },
    detail=text(
        "What is wrong; of a 400 the first fault.", f"{PATH}: Must be from 1 to 180 degrees."
    ),
    request_id=REQUEST_ID,
    errors={
        "type": "object",
        "description": "The faults, by the dotted path of the field; '' for the whole body.",
        "additionalProperties": {"type": "array", "items": {"type": "string"}},
        "examples": [{PATH: ["Must be from 1 to 180 degrees."]}],
    },
    qualifies={
        "type": "boolean",
        "description": "Of a 403 for a person who does not qualify: false.",
        "examples": [False],
    },
    disqualifications={
        "type": "array",
        "items": {"type": "string", "enum": DISQUALIFICATIONS},
        "description": "Of a 403 for a person who does not qualify: all reasons that apply.",
        "examples": [["age"]],
    },
)
FAULT = record(
    "One of several faults.",
    ["param", "message"],
    param=text("Dotted path of the field.", "rx.left_eye.axis"),
    message=text("What to do.", "Required with cylinder."),
)
ERROR = record(
    "A refusal.",
    ["error"],
    error=record(
        "What is wrong.",
        ["type", "message", "code", "request_id"],
        type=text(
            "The kind of error.",
            "invalid_request_error",
            enum=[
                "invalid_request_error",
                "authentication_error",
                "permission_error",
                "rate_limit_error",
                "api_error",
            ],
        ),
        message=text("What to do; of several faults the first.", "Required with cylinder."),
        code=text("A stable word for programs.", "invalid_request"),
        param=text("Dotted path of the field at fault.", "rx.left_eye.axis"),
        errors={
            "type": "array",
            "items": {"$ref": "#/components/schemas/Fault"},
            "description": "All faults, when there are several.",
        },
        request_id=REQUEST_ID,
    ),
)
ERRORS = record(
    "A refusal: one entry for each fault.",
    ["errors", "request_id"],
    errors={
        "type": "array",
        "minItems": 1,
        "description": "The faults.",
        "items": record(
            "One fault.",
            ["code", "title"],
            code=text(
                "A stable word for programs: malformed, unauthorized, not_found, "
                "no_confirmed_cart, conflict, invalid, over_delivery, prescription_expired and "
                "others.",
                "invalid",
            ),
            title=text("What to do.", "Must be 1 for a contact lens."),
            detail=text("Explains a title that the contract fixes."),
            source=text("Dotted path of the field at fault.", "cart_items.0.items.0.quantity"),
            cart_item_reference_uuid=text(
                "Of over_delivery and of a prescription: the item.",
                "a41e7c1c-8f2b-4f6e-9d0a-2b1c3d4e5f60",
                format="uuid",
            ),
            remaining_boxes={
                "type": "integer",
                "minimum": 0,
                "maximum": MAX_COUNT,
                "description": "Of over_delivery: boxes that are left this year.",
                "examples": [1],
            },
            expiration_date=text(
                "Of prescription_expired: the last day on which it was valid.",
                "2026-02-01",
                format="date",
            ),
            verify_by=text(
                "Of prescription_unverified: until when the prescriber may answer.",
                "2026-03-02T22:00:00Z",
                format="date-time",
            ),
            reason=text("Of prescription_denied: why.", "wrong"),
        ),
    },
    request_id=REQUEST_ID,
)
OAUTH_ERROR = record(
    "A refusal of a form (RFC 6749 section 5.2).",
    ["error", "error_description", "request_id"],
    error=text(
        "The error code.",
        "invalid_client",
        enum=[
            "invalid_client",
            "invalid_request",
            "unauthorized_client",
            "unsupported_grant_type",
            "too_many_requests",
            "server_error",
        ],
    ),
    error_description=text("What is wrong.", "The name or the secret is wrong."),
    request_id=REQUEST_ID,
)
# By API: the name of its error body, and the schemas that this needs.
BODIES: dict[str, tuple[str, Constraints]] = {
    "sessions": ("Problem", {"Problem": PROBLEM}),
    "orders": ("Error", {"Error": ERROR, "Fault": FAULT, "OAuthError": OAUTH_ERROR}),
    "subscriptions": ("Errors", {"Errors": ERRORS}),
}
