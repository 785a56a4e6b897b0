"""What exists, for requests to what does not: the right path, the methods of a path, the paths."""

import re
from collections.abc import Iterable
from difflib import SequenceMatcher, get_close_matches
from functools import lru_cache
from ipaddress import IPv6Address
from typing import Any

from flask import Flask, current_app, g, request
from werkzeug.exceptions import BadHost, HTTPException, MethodNotAllowed, NotFound
from werkzeug.routing import Map, MapAdapter, Rule
from werkzeug.wsgi import get_host

from gateway.callers import SERVICES
from gateway.problems import Dialect, find_dialect

JSON_TYPE = re.compile(r"application/(?:[\w.-]+\+)?json")
MAX_PATH_LENGTH = 200  # of a path that is compared with others
HOST = re.compile(
    r"(?:\[(?P<v6>[0-9A-Fa-f:.]+)\]|(?:[\w.~!$&'()*+,;=-]|%[0-9A-Fa-f]{2})+)(?::[0-9]*)?", re.ASCII
)
LIKENESS = 0.7  # from 0 to 1, of a segment that may be meant
PLAIN_PATH = re.compile(r"[\w./:~-]+", re.ASCII)
LAST_SEGMENT = re.compile(r"/<(\w+)>")
ONLY_RULE = {"return_rule": True}  # how Flask asks for the route of a request
PARAMETER = re.compile(r"<(?:\w+:)?(\w+)>")
# Where people begin.
PAGES = {"docs.show_apis", "dashboard.search_orders", "openapi.get_index", "dashboard.show_login"}
UNSHOWN_METHODS = {"HEAD", "OPTIONS"}


@lru_cache(maxsize=256)
def read_host(scheme: str, host: str) -> str:
    """Return a Host, without the usual port; raises BadHost for what is none by RFC 9110, 7.2."""
    found = HOST.fullmatch(host)
    if found is None:
        raise BadHost
    if found["v6"]:
        try:
            IPv6Address(found["v6"])
        except ValueError:
            raise BadHost from None
    else:
        Map().bind(host)  # raises for labels that are empty or too long
    return get_host({"wsgi.url_scheme": scheme, "HTTP_HOST": host})


class ShortCuts:
    """Routes without a parameter, or with one that is the last segment: those of most calls.

    They are found by two look-ups; werkzeug goes through a path segment by segment. What is not
    found here is left to it.
    """

    def __init__(self, rules: Iterable[Rule]) -> None:
        self._fixed: dict[tuple[str, str], Rule] = {}  # by method and path
        self._open: dict[tuple[str, str], tuple[Rule, str]] = {}  # by method and what comes before
        self._paths = set[str]()  # of the former, whatever their methods
        by_parent: dict[str, list[Rule]] = {}  # those whose last segment is a parameter
        for rule in rules:
            before = rule.rule.rpartition("/")[0]
            if "<" not in rule.rule:
                self._paths.add(rule.rule)
                self._fixed |= {(method, rule.rule): rule for method in rule.methods or ()}
            elif "<" not in before:
                by_parent.setdefault(before, []).append(rule)
        for before, siblings in by_parent.items():
            names = {rule.rule.removeprefix(before) for rule in siblings}
            if len(names) == 1 and (found := LAST_SEGMENT.fullmatch(names.pop())):
                for rule in siblings:
                    self._open |= {
                        (method, before): (rule, found[1]) for method in rule.methods or ()
                    }

    def find(self, method: str, path: str) -> tuple[Rule, dict[str, Any]] | None:
        """Return the route of a path, and its parameter."""
        if rule := self._fixed.get((method, path)):
            return rule, {}
        before, _, last = path.rpartition("/")
        found = self._open.get((method, before))
        if found is None or not last or path in self._paths:
            return None
        rule, name = found
        return rule, {name: last}


class Adapter(MapAdapter):
    """The routes as one request finds them."""

    def __init__(self, short_cuts: ShortCuts, *args: Any) -> None:
        super().__init__(*args)
        self._short_cuts = short_cuts

    def match(self, *args: Any, **options: Any) -> Any:
        """Return the route of the request, and its parameters; raises an HTTPException."""
        found = None
        if not args and options == ONLY_RULE and not self.websocket:
            found = self._short_cuts.find(self.default_method, self.path_info)
        return found or super().match(*args, **options)


def register(app: Flask) -> None:
    """Make the application answer an API call that lacks its prefix in that API's form."""

    @app.before_request
    def refuse_missing_prefix() -> None:
        if request.blueprint in SERVICES or not _is_api_call():
            return
        if found := _find_prefix(request.path):
            g.dialect = found
            raise NotFound(f"There is no such path; did you mean {found.prefix}{request.path}?")


def describe_http_exception(error: HTTPException, is_page: bool) -> str:
    """Return what to say of an HTTP error: of a path or a method that does not exist, what does."""
    if isinstance(error, MethodNotAllowed) and request.routing_exception is error:
        methods = sorted(set(error.valid_methods or ()) - UNSHOWN_METHODS)
        return f"This method is not allowed; the path takes {_join(methods)}."
    is_unexplained = request.routing_exception is error or error.description == NotFound.description
    if isinstance(error, NotFound) and is_unexplained:
        return _describe_page() if is_page else describe_path()
    if isinstance(error, BadHost):
        return "The Host header field must be a host name or an address, and may name a port."
    return error.description or ""


def _describe_page() -> str:
    """Return what to say of a page that does not exist; `g.right_path` is what may be meant."""
    g.right_path = _straighten(request.path) or _find_page()
    question = f" Did you mean {g.right_path}?" if g.right_path else ""
    return f"There is no page at this address.{question}"


def _find_page() -> str | None:
    """Return the page that is most like the path, if one is."""
    if len(request.path) > MAX_PATH_LENGTH:
        return None
    pages = [
        rule.rule
        for rule in current_app.url_map.iter_rules()
        if "GET" in (rule.methods or ()) and not rule.arguments and rule.endpoint in PAGES
    ]
    return next(iter(get_close_matches(request.path.lower(), pages, 1, LIKENESS)), None)


def describe_path() -> str:
    """Return what to say of the request's path, which does not exist."""
    dialect = find_dialect()
    right = _straighten(request.path)
    if right is None:
        right = _find_alike(request.path)
    question = f" Did you mean {right}?" if right else ""
    if dialect.prefix:
        return f"There is no such path.{question} There are {_join(_list_paths(dialect.prefix))}."
    return f"There is no such path.{question} {_list_prefixes()}"


def _list_prefixes() -> str:
    dialects: tuple[Dialect, ...] = current_app.extensions["dialects"]
    return f"The APIs are below {_join([each.prefix for each in dialects])}."


def _straighten(path: str) -> str | None:
    """Return the path without doubled slashes and one at the end, if that is a route."""
    straight = re.sub("/{2,}", "/", path).rstrip("/")
    if straight in ("", path) or not PLAIN_PATH.fullmatch(straight):
        return None
    return straight if _is_route(straight) else None


def _find_prefix(path: str) -> Dialect | None:
    """Return the API that has this path below its prefix."""
    dialects: tuple[Dialect, ...] = current_app.extensions["dialects"]
    if not PLAIN_PATH.fullmatch(path) or any(path.startswith(each.prefix) for each in dialects):
        return None
    return next((each for each in dialects if _takes(each.prefix + path, request.method)), None)


def _is_route(path: str) -> bool:
    return bool(current_app.url_map.bind("").allowed_methods(path))


def _takes(path: str, method: str) -> bool:
    return method in current_app.url_map.bind("").allowed_methods(path)


def _find_alike(path: str) -> str | None:
    """Return the path in the contract that is most like this one, if one is."""
    if len(path) > MAX_PATH_LENGTH:
        return None
    segments = path.lower().split("/")
    likeness, best = max(
        (_compare(rule.rule.split("/"), segments), _write(rule)) for rule in _list_api_rules("/")
    )
    return best if likeness else None


def _compare(rule: list[str], segments: list[str]) -> float:
    """Return the likeness of a path to a rule, from 0 to 1; 0 where one segment is not alike."""
    if len(rule) != len(segments):
        return 0
    ratios = [
        1.0 if each == segment else SequenceMatcher(None, each, segment).ratio()
        for each, segment in zip(rule, segments, strict=True)
        if not each.startswith("<")
    ]
    return sum(ratios) / len(ratios) if min(ratios) >= LIKENESS else 0


def _list_api_rules(prefix: str) -> list[Rule]:
    dialects: tuple[Dialect, ...] = current_app.extensions["dialects"]
    below = tuple(f"{each.prefix}/" for each in dialects)
    return [
        rule
        for rule in current_app.url_map.iter_rules()
        if rule.rule.startswith(below) and rule.rule.startswith(prefix)
    ]


def _list_paths(prefix: str) -> list[str]:
    return sorted({_write(rule) for rule in _list_api_rules(f"{prefix}/")})


def _write(rule: Rule) -> str:
    return PARAMETER.sub(r":\1", rule.rule)


def _is_api_call() -> bool:
    """Return whether a program sent this; browsers may have a proxy's credentials."""
    if JSON_TYPE.fullmatch(request.mimetype):
        return True
    offered = ("application/json", "text/html")
    wanted = request.accept_mimetypes.best_match(offered, "application/json")
    return "Authorization" in request.headers and wanted == "application/json"


def _join(names: list[str]) -> str:
    return " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)
