"""Bodies by their Content-Type: what is meant as JSON is read, the rest is refused."""

from collections.abc import Iterator

import pytest
from flask.testing import FlaskClient

from tests.gateway.front import POST, TYPES, front, read_faults
from tests.serving import SERVICES

DIALECTS = pytest.mark.parametrize("dialect", SERVICES)
FORM = "application/x-www-form-urlencoded"
NOT_READ = "Send JSON, with Content-Type: application/json; multipart, XML and forms are not read."
NOT_READ_AT_TOKENS = "Send JSON, or a form of type application/x-www-form-urlencoded."
MEANT_AS_JSON = [
    "",
    "application/json",
    "application/json; charset=utf-8",
    "APPLICATION/JSON",
    "application/problem+json",
    "application/vnd.shop.v2+json",
    "text/plain",
    "text/plain;charset=UTF-8",
    FORM,
    "application/octet-stream",
]


@pytest.fixture(scope="module")
def alone() -> Iterator[FlaskClient]:
    """A client of a gateway before dead services."""
    with front() as client:
        yield client


@DIALECTS
@pytest.mark.parametrize("kind", MEANT_AS_JSON)
@pytest.mark.parametrize("accept", ["*/*", "text/html", "application/xml", "image/png;q=0"])
def test_what_is_meant_as_json_is_read(
    alone: FlaskClient, dialect: str, kind: str, accept: str
) -> None:
    """The body is read and at fault; then the dead service is asked who calls."""
    headers = {"Accept": accept, **({"Content-Type": kind} if kind else {})}
    found = alone.post(POST[dialect], data=b' {"x": 1}', headers=headers)
    assert (found.status_code, found.content_type) == (503, TYPES[dialect])


@DIALECTS
@pytest.mark.parametrize(
    ("kind", "body"),
    [
        ("multipart/form-data; boundary=x", b"--x--"),
        ("multipart/mixed; boundary=x", b"{}"),
        ("application/xml", b"<a/>"),
        ("text/xml; charset=utf-8", b"<a/>"),
        ("application/soap+xml", b"<a/>"),
        (FORM, b"mode=draft"),
        (FORM, b"mode"),
        (FORM + "; charset=utf-8", b'"a"=1'),
    ],
)
def test_multipart_xml_and_forms_are_not_read(
    alone: FlaskClient, dialect: str, kind: str, body: bytes
) -> None:
    refused = alone.post(POST[dialect], data=body, content_type=kind)
    assert (refused.status_code, refused.content_type) == (415, TYPES[dialect])
    assert read_faults(dialect, refused) == [(None, NOT_READ)]


@DIALECTS
@pytest.mark.parametrize("kind", [FORM, "text/xml", "application/json"])
def test_an_empty_body_has_no_type(alone: FlaskClient, dialect: str, kind: str) -> None:
    assert alone.post(POST[dialect], data=b"", content_type=kind).status_code == 503


@pytest.mark.parametrize(
    ("kind", "status"), [(FORM, 400), ("multipart/form-data; boundary=x", 415), ("text/xml", 415)]
)
def test_the_token_route_reads_forms(alone: FlaskClient, kind: str, status: int) -> None:
    refused = alone.post("/v1/oauth/token", data=b"a=1", content_type=kind)
    assert refused.status_code == status
    if status == 415:
        assert read_faults("orders", refused) == [(None, NOT_READ_AT_TOKENS)]
