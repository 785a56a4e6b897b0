"""OAuth 2 at the token route: the client credentials grant as its libraries send it (RFC 6749).

The credentials are in the body or in HTTP Basic. A form is answered in the form of
the RFC, failures included; JSON without a `grant_type` is answered with the token alone.
"""

import json
from typing import Any
from urllib.parse import unquote_plus

from flask import Response, g, request
from werkzeug.exceptions import RequestEntityTooLarge

from chassis.errors import Failure, Fault, Invalid, Unauthenticated
from chassis.messages.explain import explain_type
from chassis.messages.reader import Reader
from chassis.messages.writer import Writer
from chassis.status import Code
from gateway import backends
from gateway.backends import attempt, call
from gateway.bodies import FORM_TYPE, check_type, is_form, parse_form
from gateway.problems import BASIC_CHALLENGE, TOO_MANY_REQUESTS, Dialect, Problem
from gateway.rates.limiter import limit_request
from gateway.requests import answer, parse, read_basic
from protos.orders_pb2 import CreateTokenRequest, Token

CLIENT_CREDENTIALS = "client_credentials"
EXPIRES_IN_SECONDS = 24 * 60 * 60  # the life of a token; a test compares it with the service's
MAX_FORM_FIELDS = 100
MAX_GRANT_BYTES = 16 * 1024  # of a form, and of JSON in which a grant_type is looked for
NOT_READ = f"Send JSON, or a form of type {FORM_TYPE}."
UNSUPPORTED_GRANT_TYPE = "UNSUPPORTED_GRANT_TYPE"
ERRORS = {
    "UNAUTHENTICATED": "invalid_client",
    "FORBIDDEN": "unauthorized_client",
    UNSUPPORTED_GRANT_TYPE: "unsupported_grant_type",
    TOO_MANY_REQUESTS: "too_many_requests",
}
CREATE_TOKEN = Reader(CreateTokenRequest)
TOKEN = Writer(Token)


def write_error(problem: Problem) -> dict[str, Any]:
    """Return the problem as RFC 6749 section 5.2 has it, with the request's id."""
    default = "invalid_request" if problem.status < 500 else "server_error"
    description = problem.detail
    if problem.faults:
        first = problem.faults[0]
        description = f"{first.path}: {first.message}" if first.path else first.message
    return {
        "error": ERRORS.get(problem.reason, default),
        "error_description": description,
        "request_id": g.request_id,
    }


# Of the requests that come as a form; those in JSON are answered in the API's own dialect.
DIALECT = Dialect(
    "/v1/oauth/token", write_error, BASIC_CHALLENGE, status={Code.PERMISSION_DENIED: 400}
)


def answer_token_request(body: bytes) -> Response:
    """Return a token for the credentials in a form, in JSON or in HTTP Basic."""
    if is_form(body):
        g.dialect = DIALECT
        grant = read_form(body)
        return answer_token(create_token(grant), by_grant=True)
    check_type(body, NOT_READ)
    rest, grant_type = take_grant_type(body)
    if grant_type is None:
        plain = parse(CREATE_TOKEN, body)
        limit_token_request(plain)
        return answer_token(call(backends.orders().CreateToken, plain))
    if grant_type != CLIENT_CREDENTIALS:
        fault = Fault("grant_type", f"Must be {CLIENT_CREDENTIALS}.")
        raise Invalid("The grant type is not supported.", faults=[fault])
    return answer_token(create_token(parse(CREATE_TOKEN, rest)), by_grant=True)


def read_form(body: bytes) -> CreateTokenRequest:
    """Return the credentials in a form; unknown fields and a scope are ignored.

    Raises 413 for one that is larger than any grant.
    """
    if len(body) > MAX_GRANT_BYTES:
        raise RequestEntityTooLarge(f"The form exceeds the limit of {MAX_GRANT_BYTES} bytes.")
    # RFC 6749, 3.2: what has no value counts as left out.
    pairs = [(name, value) for name, value in parse_form(body, MAX_FORM_FIELDS) if value]
    sent = dict(pairs)
    if len(sent) < len(pairs):
        raise Invalid("A parameter is given more than once.")
    if "grant_type" not in sent:
        raise Invalid(f"Send grant_type={CLIENT_CREDENTIALS}.")
    if sent["grant_type"] != CLIENT_CREDENTIALS:
        raise Invalid(
            f"The only grant_type here is {CLIENT_CREDENTIALS}.", reason=UNSUPPORTED_GRANT_TYPE
        )
    return CreateTokenRequest(**{name: sent.get(name, "") for name in CREATE_TOKEN.shape})


def take_grant_type(body: bytes) -> tuple[bytes, Any]:
    """Return a JSON body without `grant_type` and `scope`, and the grant type, if it has one."""
    try:
        pairs = json.loads(body, object_pairs_hook=tuple) if len(body) <= MAX_GRANT_BYTES else ()
    except (ValueError, RecursionError):
        return body, None
    sent = dict(pairs) if isinstance(pairs, tuple) else {}
    if "grant_type" not in sent or len(sent) < len(pairs):
        return body, None
    grant_type, scope = sent.pop("grant_type"), _restore(sent.pop("scope", None))
    if not isinstance(scope, str | None):
        fault = Fault("scope", explain_type(scope, str, strict=True))
        raise Invalid("The request is malformed.", reason=CREATE_TOKEN.reason, faults=[fault])
    return json.dumps({name: _restore(value) for name, value in sent.items()}).encode(), grant_type


def create_token(grant: CreateTokenRequest) -> Token:
    """Return a token for the credentials of the body, or else of HTTP Basic."""
    first, *others = _find_credentials(grant)
    limit_token_request(first)
    rpc = backends.orders().CreateToken
    for each in others:
        created = attempt(rpc, each, Code.UNAUTHENTICATED)
        if not isinstance(created, Failure):
            return created
    return call(rpc, first)


def limit_token_request(grant: CreateTokenRequest) -> None:
    """Count a request for a token by the whole of its credentials; raise TooManyRequests."""
    g.client_id = grant.client_id
    limit_request("tokens", grant.client_id, grant.client_secret)


def answer_token(token: Token, *, by_grant: bool = False) -> Response:
    """Return the token; by a grant with the members of RFC 6749 section 5.1."""
    response = answer(200, TOKEN, token)
    if by_grant:
        members: dict[str, Any] = {
            "token": token.token,
            "access_token": token.token,
            "token_type": "Bearer",
        }
        if not g.get("replayed"):  # the same token again has less time left
            members["expires_in"] = EXPIRES_IN_SECONDS
        response.set_data(json.dumps(members))
    response.headers["Cache-Control"] = "no-store"
    return response


def _find_credentials(grant: CreateTokenRequest) -> list[CreateTokenRequest]:
    """Return the credentials as sent and, of HTTP Basic, as they may have been encoded.

    RFC 6749 section 2.3.1 encodes name and secret before they are packed; many libraries do not.
    """
    header, basic = request.headers.get("Authorization"), read_basic()
    if grant.client_secret:
        return [grant]
    if header is None:
        raise Unauthenticated(
            "Send client_id and client_secret, in the body or as Authorization: Basic."
        )
    if basic is None:
        raise Unauthenticated(
            "The Authorization header does not have the form Basic <name:secret in base64>."
        )
    name, secret = basic
    if grant.client_id not in ("", name, unquote_plus(name)):
        raise Invalid("client_id is not the name in the Authorization header.")
    found = [CreateTokenRequest(client_id=name, client_secret=secret)]
    decoded = unquote_plus(name), unquote_plus(secret)
    if decoded != (name, secret):
        found.append(CreateTokenRequest(client_id=decoded[0], client_secret=decoded[1]))
    return found


def _restore(value: Any) -> Any:
    """Return an object for the pairs of one."""
    return dict(value) if isinstance(value, tuple) else value
