"""Routes that are found at once are those that werkzeug finds."""

from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st
from werkzeug.exceptions import HTTPException
from werkzeug.routing import Map, MapAdapter, Rule

from gateway import Gateway, create_app
from gateway.routes import Adapter, ShortCuts

APP = cast(Gateway, create_app({}))
RULES = list(APP.url_map.iter_rules())
WORDS = sorted({each for rule in RULES for each in rule.rule.split("/") if "<" not in each})
SEGMENTS = st.sampled_from([*WORDS, "ord_1", "ä b", ".", "..", "%2F", "<order_id>", "a.css"])
METHODS = ["GET", "HEAD", "OPTIONS", "POST", "PUT", "DELETE", "PATCH", "TRACE", "get", ""]


def match(adapter: MapAdapter) -> Any:
    """Return what is found, or what is raised."""
    try:
        return adapter.match(return_rule=True)
    except HTTPException as error:
        return type(error), sorted(getattr(error, "valid_methods", None) or ())


def bind(app_map: Map, path: str, method: str, *, short: bool, scheme: str = "http") -> MapAdapter:
    """Return the routes as a request finds them, with short cuts or without."""
    where = (app_map, "x", "", "", scheme, path, method, "")
    return Adapter(ShortCuts(app_map.iter_rules()), *where) if short else MapAdapter(*where)


@given(st.lists(SEGMENTS, max_size=7).map("/".join), st.sampled_from(METHODS))
def test_any_path_has_the_route_that_it_has_without_them(path: str, method: str) -> None:
    for asked in (path, f"/{path}"):
        found = match(bind(APP.url_map, asked, method, short=True))
        assert found == match(bind(APP.url_map, asked, method, short=False))


def test_each_route_is_found() -> None:
    for rule in RULES:
        path = "/".join("a1" if each.startswith("<") else each for each in rule.rule.split("/"))
        for method in rule.methods or ():
            found = match(bind(APP.url_map, path, method, short=True))
            assert found == match(bind(APP.url_map, path, method, short=False))


def test_most_calls_take_one() -> None:
    find = APP.short_cuts.find
    assert find("POST", "/v1/orders") is not None
    found = find("GET", "/v1/orders/ord_1")
    assert found is not None
    assert (found[0].endpoint, found[1]) == ("orders.get_order", {"order_id": "ord_1"})
    assert find("GET", "/v1/orders/") is None


@pytest.mark.parametrize("path", ["/a/5", "/a/x", "/a/fixed", "/b/x", "/b/x/y", "/c/", "/c", "/a"])
def test_what_is_not_clear_is_left_to_werkzeug(path: str) -> None:
    rules = ["/a/<int:number>", "/a/<name>", "/b/<path:rest>", "/c/", "/a"]
    made = Map([Rule(each, endpoint=each) for each in rules], merge_slashes=False)
    made.add(Rule("/a/fixed", endpoint="fixed", methods=["POST"]))
    for scheme in ("http", "ws"):
        found = match(bind(made, path, "GET", short=True, scheme=scheme))
        assert found == match(bind(made, path, "GET", short=False, scheme=scheme))
