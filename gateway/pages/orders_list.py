"""What the dashboard's list is narrowed to, and who looks at it."""

from collections.abc import Mapping
from typing import Any

from flask import g

from gateway import backends
from gateway.backends import call
from gateway.pages.orders_sheet import STATUSES
from protos.orders_pb2 import WhoAmIRequest, WhoAmIResponse

# The name of each filter in a form or a query, and its field in the request.
FILTERS = {"state": "lab_status", "lab": "lab"}


def find_caller(authorization: str) -> WhoAmIResponse:
    """Return the user of a session, with their labs; asked once for a page."""
    if "dashboard_caller" not in g:
        g.dashboard_caller = call(
            backends.orders().WhoAmI, WhoAmIRequest(), authorization=authorization
        )
    caller: WhoAmIResponse = g.dashboard_caller
    return caller


def read_filters(fields: Mapping[str, str]) -> dict[str, str]:
    """Return the filters that are set, by the fields of the request."""
    return {field: fields[name] for name, field in FILTERS.items() if fields.get(name)}


def describe_filters(filters: Mapping[str, str], caller: WhoAmIResponse) -> dict[str, Any]:
    """Return what the page of a list shows of its filters: what may be and what is chosen."""
    return {
        "states": {status: label for status, (label, _) in STATUSES.items()},
        "labs": {lab.id: lab.name for lab in caller.labs},
        "chosen": {name: filters[field] for name, field in FILTERS.items() if field in filters},
    }
