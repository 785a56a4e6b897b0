"""Requests to the sessions service as they arrive, for tests to change."""

import json
from collections.abc import Iterator, Mapping
from copy import deepcopy
from datetime import date
from pathlib import Path
from typing import Any

from google.protobuf.json_format import ParseDict
from marshmallow import Schema, ValidationError

from protos.sessions_pb2 import CheckQualificationRequest, CreateSessionRequest
from sessions_svc.rules.sessions import CREATE_SESSION

Values = dict[str, Any]
REQUIRED = "Missing data for required field."
DIOPTRES = "Must be from -30 to 30 dioptres."
TODAY = date(2026, 6, 15)
ABSENT = object()


def contacts(**fields: Any) -> Values:
    """A contacts prescription as it arrives; a field that is ABSENT is left out."""
    eye = {"product_key": "example1", "sphere": -1.0}
    return drop_absent({"type": "contacts", "right_eye": eye, "left_eye": dict(eye), **fields})


def glasses(**fields: Any) -> Values:
    """A glasses prescription as it arrives; a field that is ABSENT is left out."""
    eye = {"sphere": -1.0, "pupillary_distance": 30.0}
    return drop_absent({"type": "glasses", "right_eye": eye, "left_eye": dict(eye), **fields})


def user(**fields: Any) -> Values:
    """The person of `session`."""
    person = {
        "email": "test@example.com",
        "first_name": "Test",
        "last_name": "User",
        "birthdate": "1988-01-01",
        "region": "IL",
    }
    return drop_absent({**person, **fields})


def session(**fields: Any) -> Values:
    """The smallest CreateSessionRequest that breaks no rule, with these fields."""
    return drop_absent({"user_key": "user1", "session_key": "session1", "user": user(), **fields})


def create(**fields: Any) -> CreateSessionRequest:
    """`session` as a message."""
    return ParseDict(session(**fields), CreateSessionRequest())


def check(**fields: Any) -> CheckQualificationRequest:
    """The smallest CheckQualificationRequest of whom qualifies, with these fields."""
    person = {"birthdate": "1988-01-01", "region": "IL"}
    return ParseDict({"user": person, **fields}, CheckQualificationRequest())


def drop_absent(values: Values) -> Values:
    return {name: value for name, value in values.items() if value is not ABSENT}


def load_session(**fields: Any) -> Values:
    """The loaded values of `session`."""
    values: Values = CREATE_SESSION.load(session(**fields))
    return values


def find_faults(body: Values, schema: Schema = CREATE_SESSION) -> dict[str, list[str]]:
    """Every fault of a body by its dotted path."""
    before = deepcopy(body)
    try:
        schema.load(body)
        found = {}
    except ValidationError as error:
        found = dict(flatten_by_path(error.messages_dict))
    # repr, since NaN is not equal to itself
    assert repr(body) == repr(before)
    return found


def flatten_by_path(messages: Mapping[Any, Any], path: str = "") -> Iterator[tuple[str, list[str]]]:
    for name, each in messages.items():
        if isinstance(each, Mapping):
            yield from flatten_by_path(each, f"{path}{name}.")
        else:
            yield f"{path}{name}", each


def drop_nulls(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: drop_nulls(each) for name, each in value.items() if each is not None}
    if isinstance(value, list):
        return [drop_nulls(each) for each in value]
    return value


def example() -> Values:
    """The demo body as it reaches the rules: no null, partner_info as text."""
    path = Path(__file__).parents[2] / "demo" / "session.json"
    body: Values = drop_nulls(json.loads(path.read_text()))
    body["partner_info"] = json.dumps(body["partner_info"])
    return body
