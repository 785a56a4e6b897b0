"""Forms of pages and of the token route: their limits, their coding, and the costliest ones."""

import gzip
from collections.abc import Iterator
from contextlib import suppress
from typing import Any
from urllib.parse import urlencode

import pytest
from flask import request as asked
from flask.testing import FlaskClient
from werkzeug.exceptions import RequestEntityTooLarge

from chassis.errors import Invalid
from gateway.bodies import FORM_TYPE, MAX_FORM_BYTES, MAX_FORM_FIELDS
from gateway.oauth import MAX_GRANT_BYTES
from gateway.pages import PAGE_BLUEPRINTS
from gateway.pages.orders_edit import PREFIX, list_editable
from protos.orders_pb2 import Order
from tests.gateway.front import front
from tests.gateway.real_front import Front, answer, gunicorn, is_closed, request
from tests.gateway.test_bodies import MIB, encode_chunked, fill_body, holds_the_loop

HTML = "text/html; charset=utf-8"
TOKEN_PATH = "/v1/oauth/token"
GZIP = {"Content-Encoding": "gzip"}
# What these do is in their paths.
FORMLESS = {"cart.open_cart_by_code", "exam.create_checkout"}
WIDEST = "\N{PILL}"  # twelve bytes of a form


@pytest.fixture(scope="module")
def alone() -> Iterator[FlaskClient]:
    """A client of a gateway before dead services."""
    with front() as client:
        yield client


@pytest.fixture(scope="module")
def real(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Front]:
    """One real worker with the routes of the gateway."""
    with gunicorn(tmp_path_factory.mktemp("forms"), discard_seconds=10) as running:
        yield running


def read_form(client: FlaskClient, body: bytes, **options: Any) -> dict[str, list[str]]:
    """Return the form of a page as its view sees it."""
    options = {"content_type": FORM_TYPE, **options}
    with client.application.test_request_context(
        "/orders/login", method="POST", data=body, **options
    ):
        return asked.form.to_dict(flat=False)


def list_form_routes(client: FlaskClient) -> Iterator[tuple[str, str]]:
    """Yield endpoint and path of each page that takes a form."""
    for rule in client.application.url_map.iter_rules():
        if "POST" in (rule.methods or ()) and rule.endpoint.split(".")[0] in PAGE_BLUEPRINTS:
            path = rule.rule.replace("<api>", "orders")
            yield rule.endpoint, path.replace("<", "").replace(">", "")


def list_costly_forms(size: int) -> Iterator[tuple[str, bytes]]:
    """Yield forms of a size that are costly to read or to refuse."""
    for unit in ("%41", "x%41", "é%41", "%zz", "é%zz", "%ff", "%c3%a9", "+", "%", "=", "é", "%00"):
        yield unit, fill_body(b"a=", unit.encode(), b"")
        yield f"a name of {unit}", fill_body(b"", unit.encode(), b"=", size)
        yield f"{unit}, not UTF-8", fill_body(b"a=", unit.encode(), b"%ff", size)
        yield f"{unit} of this size", fill_body(b"a=", unit.encode(), b"", size)
    for fields in (MAX_FORM_FIELDS, 100):
        each = size // fields
        for unit in ("%41", "%zz", "é%zz"):
            parts = [fill_body(b"a%d=" % n, unit.encode(), b"", each - 1) for n in range(fields)]
            yield f"{fields} fields of {unit}", b"&".join(parts)
    for field in (b"a=b&", b"&", b"a&", b"=&", b"%zz&"):
        yield f"fields {field!r}", fill_body(b"", field, b"")
        yield f"fields {field!r} of this size", fill_body(b"", field, b"", size)


def test_no_form_of_a_page_holds_the_loop(alone: FlaskClient) -> None:
    for what, body in list_costly_forms(MAX_FORM_BYTES):

        def read(body: bytes = body) -> None:
            with suppress(Invalid, RequestEntityTooLarge):
                read_form(alone, body)

        assert not holds_the_loop(read), what


def test_no_form_for_a_token_holds_the_loop(alone: FlaskClient) -> None:
    for what, body in list_costly_forms(MAX_GRANT_BYTES):

        def post(body: bytes = body) -> None:
            refused = alone.post(TOKEN_PATH, data=body, content_type=FORM_TYPE)
            assert refused.status_code in (400, 413)

        assert not holds_the_loop(post), what


def test_no_query_string_holds_the_loop(alone: FlaskClient) -> None:
    for what, body in list_costly_forms(8190):
        query = body[:8190].decode(errors="ignore")  # what a request line has room for

        def read(query: str = query) -> None:
            with alone.application.test_request_context("/orders", query_string=query):
                asked.args.to_dict(flat=False)

        assert not holds_the_loop(read), what


def test_every_page_refuses_a_form_over_the_limit(alone: FlaskClient) -> None:
    read = set()
    for endpoint, path in list_form_routes(alone):
        if endpoint in FORMLESS:
            continue
        for body in (b"a=" + b"x" * MAX_FORM_BYTES, b"a=b&" * MAX_FORM_FIELDS):
            refused = alone.post(path, data=body, content_type=FORM_TYPE)
            assert (refused.status_code, refused.content_type) == (413, HTML), path
            assert "This form is too large" in refused.text
        read.add(endpoint)
    assert {"dashboard.log_in", "exam.enter_exam", "cart.confirm_cart_by_code"} < read


def test_exactly_the_limits_are_read(alone: FlaskClient) -> None:
    text = "x" * (MAX_FORM_BYTES - 2)
    assert read_form(alone, f"a={text}".encode()) == {"a": [text]}
    assert read_form(alone, gzip.compress(f"a={text}".encode()), headers=GZIP) == {"a": [text]}
    many = b"&".join([b"a=b"] * MAX_FORM_FIELDS)
    assert read_form(alone, many) == {"a": ["b"] * MAX_FORM_FIELDS}
    for body in (f"a={text}x".encode(), many + b"&a=b"):
        with pytest.raises(RequestEntityTooLarge):
            read_form(alone, body)
        with pytest.raises(RequestEntityTooLarge):
            read_form(alone, gzip.compress(body), headers=GZIP)


def test_the_longest_order_that_is_edited_fits(alone: FlaskClient) -> None:
    order = Order()
    for name in ("redo_data", "multi_pair_data", "rx"):
        getattr(order, name).SetInParent()
    fields = [(PREFIX + path, WIDEST * 50) for path in list_editable(order)]
    long = {"patient.email": 254, "lens.tint_instruction": 250, "redo_data.reason": 250}
    fields += [(PREFIX + path, WIDEST * length) for path, length in long.items()]
    fields.append((f"{PREFIX}special_instructions", WIDEST * 1000))
    fields += [(f"{PREFIX}services", f"{'x' * 197}{number:03}") for number in range(100)]
    fields += [(f"{PREFIX}lens.coats", f"{'x' * 61}{number:03}") for number in range(100)]
    fields += [("acknowledged_warnings", "x" * 64)] * 100
    fields += [("seal", "0" * 64), ("version", "1"), ("package", "x" * 64), ("submit", "1")]
    body = urlencode(fields).encode()
    assert sum(len(values) for values in read_form(alone, body).values()) == len(fields)


def test_names_without_a_value_are_kept(alone: FlaskClient) -> None:
    assert read_form(alone, b"a=&b&c=1&a=%C3%A9+x") == {"a": ["", "é x"], "b": [""], "c": ["1"]}


@pytest.mark.parametrize("body", [b"a=\xff", b"a=%FF", "a=é".encode("latin-1")])
def test_a_form_that_is_not_in_utf_8_is_refused(alone: FlaskClient, body: bytes) -> None:
    refused = alone.post("/orders/login", data=body, content_type=FORM_TYPE)
    assert (refused.status_code, refused.content_type) == (400, HTML)
    assert "The body is not a form in UTF-8." in refused.text


def test_a_page_takes_no_form_in_parts(alone: FlaskClient) -> None:
    kind = "multipart/form-data; boundary=x"
    refused = alone.post("/orders/login", data=b"--x--", content_type=kind)
    assert (refused.status_code, refused.content_type) == (415, HTML)
    assert "Send a form of type application/x-www-form-urlencoded." in refused.text


def test_a_body_of_another_type_is_no_form(alone: FlaskClient) -> None:
    for kind in ("application/json", "text/plain", ""):
        assert read_form(alone, b"a=b", content_type=kind) == {}
    assert read_form(alone, b"") == {}


@pytest.mark.parametrize(("coding", "status"), [("br", 415), ("gzip", 400)])
def test_a_form_in_another_coding_is_refused(alone: FlaskClient, coding: str, status: int) -> None:
    refused = alone.post(
        "/orders/login", data=b"a=b", content_type=FORM_TYPE, headers={"Content-Encoding": coding}
    )
    assert (refused.status_code, refused.content_type) == (status, HTML)


@pytest.mark.parametrize("framing", ["length", "chunks"])
@pytest.mark.parametrize(
    ("path", "kind"), [("/orders/login", HTML), ("/login", HTML), (TOKEN_PATH, "application/json")]
)
@pytest.mark.parametrize("megabytes", [2, 20])
def test_a_client_that_writes_a_large_form_learns_that_it_is_too_much(
    real: Front, path: str, kind: str, megabytes: int, framing: str
) -> None:
    body = b"a=" + b"x" * (megabytes * MIB)
    client = real.connect()
    if framing == "chunks":
        body = encode_chunked(body, *[65536] * (megabytes * 16 - 1))
        client.sendall(request("POST", path, Transfer_Encoding="chunked", Content_Type=FORM_TYPE))
    else:
        size = str(len(body))
        client.sendall(request("POST", path, Content_Length=size, Content_Type=FORM_TYPE))
    client.sendall(body)
    found = answer(client)
    assert (found.status, found.headers["content-type"]) == (413, kind)
    assert found.headers["connection"] == "close"
    assert is_closed(client)


@pytest.mark.parametrize("body", [b"a=" + b"x" * MAX_GRANT_BYTES, b"a=b&" * 100])
def test_a_form_for_a_token_is_refused_as_rfc_6749_has_it(alone: FlaskClient, body: bytes) -> None:
    for sent, headers in ((body, {}), (gzip.compress(body), GZIP)):
        refused = alone.post(TOKEN_PATH, data=sent, content_type=FORM_TYPE, headers=headers)
        assert (refused.status_code, refused.get_json()["error"]) == (413, "invalid_request")
