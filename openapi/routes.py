"""The calls of the gateway, read from its URL map and from the code of its views."""

import inspect
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from types import FunctionType
from typing import Any

from flask import Flask
from google.protobuf.descriptor import MethodDescriptor
from werkzeug.routing import Rule

from chassis.messages.reader import Reader
from chassis.messages.writer import Writer
from gateway.answers.deprecations import find_deprecation
from gateway.backends import SERVICES
from gateway.problems import Dialect
from gateway.requests import FHIR_JSON

MEDIA_TYPE = re.compile(r"(?:image|text)/[\w.+-]+(?:; charset=utf-8)?")
UNSHOWN_METHODS = {"HEAD", "OPTIONS"}
JSON = "application/json"


@dataclass
class Route:
    """One method of one path of an API, and what its view does."""

    service: str
    dialect: Dialect
    method: str
    path: str
    name: str
    rpc: MethodDescriptor
    readers: list[Reader[Any]] = field(default_factory=list)
    writers: list[Writer] = field(default_factory=list)
    steps: set[str] = field(default_factory=set)
    calls: set[str] = field(default_factory=set)  # RPCs, among other names
    has_location: bool = False
    is_deprecated: bool = False
    status: int = 200
    media_type: str = JSON

    @property
    def has_body(self) -> bool:
        """Whether the request may have a body."""
        return self.method != "GET"

    @property
    def is_single(self) -> bool:
        """Whether it reads one thing and nothing else."""
        return self.method == "GET" and self.name.startswith(("get_", "who_"))

    @property
    def may_read_one(self) -> bool:
        """Whether it reads one thing, if perhaps only when its query names one."""
        names = [each.name for each in self.rpcs]
        return self.method == "GET" and any(each.startswith(("Get", "Who")) for each in names)

    @property
    def is_list(self) -> bool:
        """Whether it reads a page of a list."""
        return self.method == "GET" and self.name.startswith("list_")

    @property
    def needs_if_match(self) -> bool:
        """Whether the request names the version that it changes."""
        return "require_if_match" in self.steps

    @property
    def has_query(self) -> bool:
        """Whether fields are taken from the query string."""
        return bool(self.steps & {"read_query", "read_with_query"})

    @property
    def rpcs(self) -> list[MethodDescriptor]:
        """The RPCs that the view calls, that of its name first."""
        taken = {each.message.DESCRIPTOR.full_name for each in self.readers}
        others = self.rpc.containing_service.methods
        more = [
            each
            for each in others
            if each.input_type.full_name in taken and each.name in self.calls
        ]
        return [self.rpc, *(each for each in more if each.name != self.rpc.name)]

    @property
    def path_fields(self) -> list[str]:
        """The names of the fields in the path."""
        return re.findall(r"\{(\w+)\}", self.path)


def list_routes(app: Flask, service: str) -> list[Route]:
    """Return the calls of one API, in the order of its blueprint."""
    dialect = next(
        each for each in app.extensions["dialects"] if each.prefix == _find_prefix(app, service)
    )
    return [
        _read_view(app, service, dialect, rule, method)
        for rule in app.url_map.iter_rules()
        if rule.endpoint.startswith(f"{service}.")
        for method in sorted((rule.methods or set()) - UNSHOWN_METHODS)
    ]


def _find_prefix(app: Flask, service: str) -> str:
    return str(app.blueprints[service].url_prefix)


def _read_view(app: Flask, service: str, dialect: Dialect, rule: Rule, method: str) -> Route:
    view = inspect.unwrap(app.view_functions[rule.endpoint])
    name = rule.endpoint.partition(".")[2]
    rpc = SERVICES[service].methods_by_name[_to_rpc_name(name)]
    path = re.sub(r"<(?:\w+:)?(\w+)>", r"{\1}", rule.rule)
    route = Route(service, dialect, method, path, name, rpc)
    route.is_deprecated = find_deprecation(app.view_functions[rule.endpoint]) is not None
    for function in _walk(view, set()):
        code, names = function.__code__, function.__globals__
        route.calls |= set(code.co_names)
        for each in (names.get(word) for word in code.co_names):
            if isinstance(each, Reader) and each not in route.readers:
                route.readers.append(each)
            if isinstance(each, Writer) and each not in route.writers:
                route.writers.append(each)
        if function is view:
            route.steps |= set(code.co_names)
            _read_constants(route, code.co_consts, code.co_names)
    return route


def _read_constants(route: Route, constants: tuple[Any, ...], names: tuple[str, ...]) -> None:
    """Set what the view's own code says of status and media type."""
    for each in constants:
        if isinstance(each, tuple) and "location" in each:  # names of keywords
            route.has_location = True
        if isinstance(each, int) and 200 <= each < 300:
            route.status = each
        if isinstance(each, str) and MEDIA_TYPE.fullmatch(each):
            route.media_type = each
    if "FHIR_JSON" in names:
        route.media_type = FHIR_JSON


def _walk(view: FunctionType, visited: set[FunctionType]) -> Iterator[FunctionType]:
    """Yield a view and the functions of its API that it calls."""
    visited.add(view)
    yield view
    for word in view.__code__.co_names:
        found = view.__globals__.get(word)
        if not isinstance(found, FunctionType) or found in visited:
            continue
        if found.__module__ in (view.__module__, "gateway.oauth"):
            yield from _walk(found, visited)


def _to_rpc_name(name: str) -> str:
    """CreateOrder for create_order, WhoAmI for who_am_i."""
    return "".join(word.capitalize() for word in name.split("_"))
