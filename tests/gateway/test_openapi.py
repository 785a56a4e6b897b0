"""The OpenAPI documents over HTTP."""

import gzip
from collections.abc import Iterator

import pytest
from flask.testing import FlaskClient

from tests.gateway.front import front
from tests.serving import SERVICES


@pytest.fixture(scope="module")
def alone() -> Iterator[FlaskClient]:
    """A client of a gateway whose services are all dead."""
    with front() as client:
        yield client


def test_the_index_names_each_document(alone: FlaskClient) -> None:
    index = alone.get("/openapi.json")
    assert (index.status_code, index.content_type) == (200, "application/json")
    for each in index.get_json()["x-apis"]:
        document = alone.get(each["openapi"])
        assert document.status_code == 200
        assert document.get_json()["info"]["title"] == each["title"]
    assert [each["name"] for each in index.get_json()["x-apis"]] == list(SERVICES)


@pytest.mark.parametrize("path", ["/openapi.json", "/openapi/orders.json"])
def test_a_document_that_the_client_has_is_not_sent_again(alone: FlaskClient, path: str) -> None:
    first = alone.get(path)
    assert first.headers["Cache-Control"] == "no-cache"
    asked = {"If-None-Match": first.headers["ETag"]}
    again = alone.get(path, headers=asked)
    assert (again.status_code, again.data) == (304, b"")
    assert alone.get(path, headers={"If-None-Match": '"other"'}).status_code == 200
    assert alone.head(path).headers["Content-Length"] == str(len(first.data))


def test_a_large_document_is_coded_for_those_who_ask(alone: FlaskClient) -> None:
    path, asked = "/openapi/orders.json", {"Accept-Encoding": "gzip, br"}
    plain, coded = alone.get(path), alone.get(path, headers=asked)
    assert gzip.decompress(coded.data) == plain.data
    assert (coded.headers["Content-Encoding"], "Content-Encoding" in plain.headers) == (
        "gzip",
        False,
    )
    assert int(coded.headers["Content-Length"]) == len(coded.data) < len(plain.data) / 5
    assert "Accept-Encoding" in plain.vary
    assert "Accept-Encoding" in coded.vary
    assert coded.headers["ETag"] == plain.headers["ETag"].removesuffix('"') + '-gzip"'
    for tag in (plain.headers["ETag"], coded.headers["ETag"]):
        for headers, whole in (({}, plain), (asked, coded)):
            unchanged = alone.get(path, headers={**headers, "If-None-Match": tag})
            assert unchanged.status_code == 304
            assert unchanged.headers["ETag"] == whole.headers["ETag"]
    assert alone.head(path, headers=asked).headers["Content-Length"] == str(len(coded.data))
    small = alone.get("/openapi.json", headers=asked)
    assert "Content-Encoding" not in small.headers


@pytest.mark.parametrize("name", ["index", "x", "..%2F__init__", "orders.json", "%00"])
def test_there_is_no_other_document(alone: FlaskClient, name: str) -> None:
    found = alone.get(f"/openapi/{name}.json")
    assert (found.status_code, found.content_type) == (404, "application/problem+json")


def test_an_unknown_document_is_answered_with_those_there_are(alone: FlaskClient) -> None:
    assert alone.get("/openapi/labs.json").get_json()["detail"] == (
        "There is no such document. There are those of sessions, orders, subscriptions."
    )


def test_the_index_names_the_schema_of_each_event(alone: FlaskClient) -> None:
    events = alone.get("/openapi.json").get_json()["x-events"]
    assert len({each["schema"] for each in events}) == len(events) > 11
    for each in events:
        found = alone.get(each["schema"])
        assert (found.status_code, found.content_type) == (200, "application/json")
        assert found.get_json()["title"] == each["type"]
        assert found.get_json()["$id"] == each["schema"]
        again = alone.get(each["schema"], headers={"If-None-Match": found.headers["ETag"]})
        assert (again.status_code, again.data) == (304, b"")


@pytest.mark.parametrize(
    "name",
    ["orders/x", "x/test", "..%2F/orders", "orders/..%2F..%2Findex", "orders/%00", "orders/"],
)
def test_there_is_no_other_schema_of_an_event(alone: FlaskClient, name: str) -> None:
    found = alone.get(f"/openapi/events/{name}.json")
    assert (found.status_code, found.content_type) == (404, "application/problem+json")
