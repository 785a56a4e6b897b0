"""Every failure in the error form of each dialect."""

import itertools
import re
from typing import Any

import pytest
from flask.testing import FlaskClient

from chassis.errors import IDEMPOTENCY_MISMATCH, Failure, Fault
from chassis.messages.reader import MALFORMED
from chassis.status import Code
from gateway.problems import answer_failure
from tests.gateway.front import CALLER, CHALLENGES, GET, POST, TYPES, front, read_faults
from tests.serving import SERVICES, build_basic

DIALECTS = pytest.mark.parametrize("dialect", SERVICES)
EARLY = "The body ends too early, at line 1, column 2: a key in double quotes was expected."
DEEP_BODIES = [(None, "The body is nested too deep.")]
# A failed RPC, and its status and code in sessions (no code), orders and subscriptions.
TABLE: list[tuple[Code, str, int, tuple[int, str], tuple[int, str]]] = [
    (Code.INVALID_ARGUMENT, "INVALID", 400, (400, "invalid_request"), (422, "invalid")),
    (Code.INVALID_ARGUMENT, MALFORMED, 400, (400, "invalid_request"), (400, "malformed")),
    (
        Code.INVALID_ARGUMENT,
        IDEMPOTENCY_MISMATCH,
        422,
        (422, "idempotency_mismatch"),
        (422, "invalid"),
    ),
    (Code.UNAUTHENTICATED, "UNAUTHENTICATED", 401, (401, "unauthenticated"), (401, "unauthorized")),
    (Code.PERMISSION_DENIED, "FORBIDDEN", 403, (403, "forbidden"), (401, "unauthorized")),
    (Code.NOT_FOUND, "NOT_FOUND", 404, (404, "not_found"), (404, "not_found")),
    (Code.ALREADY_EXISTS, "ALREADY_EXISTS", 409, (409, "already_exists"), (409, "conflict")),
    (
        Code.FAILED_PRECONDITION,
        "WRONG_STATE",
        422,
        (409, "wrong_state"),
        (409, "no_confirmed_cart"),
    ),
    (Code.ABORTED, "BUSY", 409, (409, "busy"), (409, "conflict")),
    (Code.UNAVAILABLE, "OVERLOADED", 503, (503, "overloaded"), (503, "overloaded")),
    (Code.UNAVAILABLE, "", 503, (503, "unavailable"), (503, "unavailable")),
    (Code.CANCELLED, "", 503, (503, "cancelled"), (503, "cancelled")),
    (Code.RESOURCE_EXHAUSTED, "", 503, (503, "resource_exhausted"), (503, "resource_exhausted")),
    (Code.DEADLINE_EXCEEDED, "", 504, (504, "deadline_exceeded"), (504, "deadline_exceeded")),
    (Code.UNIMPLEMENTED, "", 501, (501, "unimplemented"), (501, "unimplemented")),
    *(
        (code, reason, 500, (500, code.name.lower()), (500, code.name.lower()))
        for code in (Code.INTERNAL, Code.UNKNOWN, Code.DATA_LOSS, Code.OUT_OF_RANGE)
        for reason in ("", "INTERNAL")
    ),
]
TYPE_OF = {401: "authentication_error", 403: "permission_error"}


def answer_in(http: FlaskClient, failure: Failure, dialect: str) -> Any:
    """Return the answer to a failed RPC of a dialect's route."""
    with http.application.test_request_context(POST[dialect]):
        http.application.preprocess_request()
        response = answer_failure(failure)
        return response, http.application.json.loads(response.data)


@pytest.fixture(scope="module")
def alone() -> Any:
    """A client of a gateway whose services are all dead."""
    with front() as client:
        yield client


@pytest.mark.parametrize(("code", "reason", "sessions", "orders", "subscriptions"), TABLE)
def test_a_failed_rpc_has_its_status_and_word_in_each_dialect(
    alone: FlaskClient,
    code: Code,
    reason: str,
    sessions: int,
    orders: tuple[int, str],
    subscriptions: tuple[int, str],
) -> None:
    failure = Failure(code, reason, "What the service said.")
    response, body = answer_in(alone, failure, "sessions")
    said = body["detail"]
    assert (response.status_code, body["status"]) == (sessions, sessions)
    assert (said == "What the service said.") is (reason != "" and sessions != 500)
    for name, (status, word) in (("orders", orders), ("subscriptions", subscriptions)):
        response, body = answer_in(alone, failure, name)
        again = {Code.ABORTED, Code.RESOURCE_EXHAUSTED, Code.UNAVAILABLE, Code.CANCELLED}
        assert (response.status_code, response.content_type) == (status, "application/json")
        assert response.headers.get("Retry-After") == ("1" if code in again else None)
        assert response.headers.get("WWW-Authenticate") == (
            CHALLENGES[name] if status == 401 else None
        )
        if name == "orders":
            default = "api_error" if status >= 500 else "invalid_request_error"
            assert re.fullmatch(r"[0-9a-f]{32}", body["error"].pop("request_id"))
            message = body["error"].pop("message")
            assert body == {"error": {"type": TYPE_OF.get(status, default), "code": word}}
        else:
            assert re.fullmatch(r"[0-9a-f]{32}", body.pop("request_id"))
            message = body["errors"][0].pop("title")
            if status == 401:
                assert message == "Unauthorized"
                assert body["errors"][0].pop("detail") == "What the service said."
            assert body == {"errors": [{"code": word}]}
        unforeseen = message.startswith("Something went wrong; the request id is ")
        assert unforeseen is (status >= 500 and (reason == "" or status == 500)
                              and code not in again | {Code.DEADLINE_EXCEEDED})  # fmt: skip


@DIALECTS
def test_a_failure_that_is_not_ours_reveals_nothing(alone: FlaskClient, dialect: str) -> None:
    for code in (Code.INVALID_ARGUMENT, Code.NOT_FOUND):
        failure = Failure(code, "", "Exception calling application: Ada Canary")
        assert "Canary" not in str(answer_in(alone, failure, dialect)[1])


@DIALECTS
def test_faults_are_listed_in_the_form_of_the_dialect(alone: FlaskClient, dialect: str) -> None:
    faults = (Fault("rx.axis", "Must be 1 to 180."), Fault("rx.axis", "No."), Fault("", "More."))
    failure = Failure(Code.INVALID_ARGUMENT, "INVALID", "The request breaks rules.", faults)
    _, body = answer_in(alone, failure, dialect)
    body.pop("request_id", None)
    body.get("error", {}).pop("request_id", None)
    assert (
        body
        == {
            "sessions": {
                "type": "about:blank",
                "title": "Bad Request",
                "status": 400,
                "detail": "rx.axis: Must be 1 to 180.",
                "errors": {"rx.axis": ["Must be 1 to 180.", "No."], "": ["More."]},
            },
            "orders": {
                "error": {
                    "type": "invalid_request_error",
                    "message": "Must be 1 to 180.",
                    "code": "invalid_request",
                    "param": "rx.axis",
                    "errors": [
                        {"param": "rx.axis", "message": "Must be 1 to 180."},
                        {"param": "rx.axis", "message": "No."},
                        {"param": "", "message": "More."},
                    ],
                }
            },
            "subscriptions": {
                "errors": [
                    {"code": "invalid", "title": "Must be 1 to 180.", "source": "rx.axis"},
                    {"code": "invalid", "title": "No.", "source": "rx.axis"},
                    {"code": "invalid", "title": "More."},
                ]
            },
        }[dialect]
    )


def test_options_lists_the_methods_and_head_is_get_without_a_body(alone: FlaskClient) -> None:
    asked = alone.options("/v1/labs")
    assert (asked.status_code, asked.data) == (200, b"")
    assert sorted(asked.headers["Allow"].split(", ")) == ["GET", "HEAD", "OPTIONS"]
    got, head = alone.get("/livez"), alone.head("/livez")
    assert (head.status_code, head.data) == (200, b"")
    assert head.headers["Content-Length"] == str(len(got.data))


def build_fault(column: int, expected: str) -> list[tuple[None, str]]:
    """The fault of a body that is no JSON."""
    return [(None, f"The body is not JSON at line 1, column {column}: {expected}.")]


BODIES = [
    (b"{", [(None, EARLY)]),
    (b"hello", build_fault(1, "a value was expected")),
    (
        b"\xff\xfe{}",
        [
            (
                None,
                "The body begins with a byte order mark of UTF-16 or UTF-32; send JSON in UTF-8.",
            )
        ],
    ),
    (b'{"x":NaN}', build_fault(6, "a value was expected")),
    (b'{"x":-Infinity}', build_fault(7, "a value was expected")),
    (b'{"x":1e999}', [(None, "The body has a number that is out of range.")]),
    (b'{"x":"\x00"}', build_fault(7, "a control character must be escaped")),
    (
        b'{"x":"\\ud800"}',
        [(None, "The body is not JSON: half of a surrogate pair has no other half.")],
    ),
    (b"{}{}", build_fault(3, "the end of the body was expected")),
    (b'{"mode": "draft",}', build_fault(17, "there is a comma before the closing brace")),
    (b"[" * 100_000, DEEP_BODIES),
    (b"[" * 100_000 + b"]" * 100_000, DEEP_BODIES),
    (b'{"x":' * 100_000 + b"1" + b"}" * 100_000, DEEP_BODIES),
    (b"[]", [(None, "The body must be an object, is an array.")]),
    (b"null", [(None, "The body must be an object, is null.")]),
    (b'{"x":1,"y":{}}', [("x", "Unknown field."), ("y", "Unknown field.")]),
    (b'{"\\u0000":1}', [("\0", "Unknown field.")]),
]
SQLITE = pytest.mark.parametrize("engine", ["sqlite"], indirect=True)


@SQLITE
@DIALECTS
@pytest.mark.parametrize(("body", "said"), BODIES)
def test_a_body_that_cannot_be_read_is_refused(
    http: FlaskClient, dialect: str, body: bytes, said: Any
) -> None:
    refused = http.post(POST[dialect], data=body, headers=CALLER[dialect])
    assert (refused.status_code, refused.content_type) == (400, TYPES[dialect])
    assert read_faults(dialect, refused) == said


@SQLITE
@pytest.mark.parametrize(
    ("dialect", "path"), [("sessions", "user_key"), ("orders", "mode"), ("subscriptions", "email")]
)
def test_a_duplicate_key_is_refused(http: FlaskClient, dialect: str, path: str) -> None:
    body = f'{{"{path}":"a","{path}":"a"}}'
    refused = http.post(POST[dialect], data=body, headers=CALLER[dialect])
    assert refused.status_code == 400
    assert read_faults(dialect, refused) == [(path, "Duplicate key in one object.")]


@SQLITE
@pytest.mark.parametrize(
    ("dialect", "path"), [("sessions", "user_key"), ("orders", "lab"), ("subscriptions", "city")]
)
def test_a_nul_in_a_text_is_refused(http: FlaskClient, dialect: str, path: str) -> None:
    body = f'{{"{path}":"a\\u0000"}}'
    refused = http.post(POST[dialect], data=body, headers=CALLER[dialect])
    assert refused.status_code == 400
    assert (path, "Control characters are not allowed.") in read_faults(dialect, refused)


@SQLITE
@DIALECTS
def test_an_empty_body_has_no_fields(http: FlaskClient, dialect: str) -> None:
    answers = [
        http.post(POST[dialect], data=body, headers=CALLER[dialect]) for body in (b"", b"{}")
    ]
    first, second = (read_faults(dialect, each) for each in answers)
    assert first == second != []
    assert [each.status_code for each in answers] == [400, 400]


@DIALECTS
def test_a_body_over_1_mib_is_too_large(alone: FlaskClient, dialect: str) -> None:
    refused = alone.post(POST[dialect], data=b" " * (1024 * 1024 + 1), headers=CALLER[dialect])
    assert (refused.status_code, refused.content_type) == (413, TYPES[dialect])
    ((path, text),) = read_faults(dialect, refused)
    assert (path, "limit" in text) == (None, True)


@SQLITE
def test_a_body_of_1_mib_is_read(http: FlaskClient) -> None:
    refused = http.post(POST["orders"], data=b"{" * 1024 * 1024, headers=CALLER["orders"])
    said = "The body is not JSON at line 1, column 2: a key in double quotes was expected."
    assert (refused.status_code, read_faults("orders", refused)) == (400, [(None, said)])


WRONG_CREDENTIALS = [
    None,
    "",
    "Basic",
    "Basic !!!",
    "Basic /w==",
    "Basic bm9ib2R5",
    "Bearer",
    "Bearer tok_unknown",
    "Digest username=x",
    "é",
    "Bearer " + "x" * 8000,
    build_basic("demo-staff", "wrong"),
    build_basic("nobody"),
]


@SQLITE
@DIALECTS
@pytest.mark.parametrize("authorization", WRONG_CREDENTIALS)
def test_unknown_callers_learn_nothing_else(
    http: FlaskClient, dialect: str, authorization: str | None
) -> None:
    headers = {} if authorization is None else {"Authorization": authorization}
    for body in (b"{}", b"{", b'{"x":1}'):
        keyed = {**headers, "Idempotency-Key": "not a key"} if body == b"{}" else headers
        refused = http.post(POST[dialect], data=body, headers=keyed)
        assert (refused.status_code, refused.content_type) == (401, TYPES[dialect])
        assert refused.headers["WWW-Authenticate"] == CHALLENGES[dialect]
        ((path, _),) = read_faults(dialect, refused)
        assert path is None
    if dialect in GET:
        for query in ("", "?x=1", "?page=x", "?page=1&page=2"):
            assert http.get(GET[dialect] + query, headers=headers).status_code == 401


@SQLITE
@DIALECTS
@pytest.mark.parametrize("key", ["", " ", "a b", "x" * 256, "clé", "é", "keyé"])
def test_a_malformed_idempotency_key_is_refused(http: FlaskClient, dialect: str, key: str) -> None:
    headers = {**CALLER[dialect], "Idempotency-Key": key}
    refused = http.post(POST[dialect], data=b"{}", headers=headers)
    assert refused.status_code == 400
    assert read_faults(dialect, refused) == [
        ("Idempotency-Key", "Must be 1-255 visible ASCII characters.")
    ]


@DIALECTS
def test_a_dead_service_is_unavailable(alone: FlaskClient, dialect: str) -> None:
    for body, key in itertools.product((b"{}", b"{"), ({}, {"Idempotency-Key": "k"})):
        refused = alone.post(POST[dialect], data=body, headers={**CALLER[dialect], **key})
        assert (refused.status_code, refused.content_type) == (503, TYPES[dialect])
        assert refused.headers["Retry-After"] == "1"
        assert read_faults(dialect, refused) == [(None, "The service does not answer; try again.")]
