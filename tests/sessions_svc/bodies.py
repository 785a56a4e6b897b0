"""Valid requests to the sessions service as they arrive, for tests to change."""

import json
from collections.abc import Iterator, Mapping
from copy import deepcopy
from datetime import date
from pathlib import Path
from typing import Any

from google.protobuf.json_format import MessageToDict, ParseDict
from google.protobuf.message import Message
from marshmallow import Schema, ValidationError

from protos.sessions_pb2 import CheckQualificationRequest, CreateSessionRequest
from sessions_svc.rules.sessions import CREATE_SESSION

Values = dict[str, Any]
REQUIRED = "Missing data for required field."
DIOPTRES = "Must be from -30 to 30 dioptres."
TODAY = date(2026, 6, 15)
ABSENT = object()
# The columns of a session that its exam and the desk set.
UNSET_COLUMNS: Values = dict.fromkeys(
    [
        *("chosen_product", "verifications", "eye_health"),
        *("price_currency", "price_amount", "paid_at", "paid_by", "payment_reference"),
    ]
)


def build_contacts(**fields: Any) -> Values:
    """A contacts prescription as it arrives, with these fields; ABSENT omits a field."""
    eye = {"product_key": "example1", "sphere": -1.0}
    return drop_absent({"type": "contacts", "right_eye": eye, "left_eye": dict(eye), **fields})


def build_glasses(**fields: Any) -> Values:
    """A glasses prescription as it arrives, with these fields; ABSENT omits a field."""
    eye = {"sphere": -1.0, "pupillary_distance": 30.0}
    return drop_absent({"type": "glasses", "right_eye": eye, "left_eye": dict(eye), **fields})


def build_user(**fields: Any) -> Values:
    """The person of `build_session`, with these fields."""
    person = {
        "email": "test@example.com",
        "first_name": "Test",
        "last_name": "User",
        "birthdate": "1988-01-01",
        "region": "IL",
    }
    return drop_absent({**person, **fields})


def build_session(**fields: Any) -> Values:
    """The smallest valid CreateSessionRequest, with these fields."""
    return drop_absent(
        {"user_key": "user1", "session_key": "session1", "user": build_user(), **fields}
    )


def create(**fields: Any) -> CreateSessionRequest:
    """`build_session` as a message."""
    return ParseDict(build_session(**fields), CreateSessionRequest())


def check(**fields: Any) -> CheckQualificationRequest:
    """The smallest CheckQualificationRequest of a person who qualifies, with these fields."""
    person = {"birthdate": "1988-01-01", "region": "IL"}
    return ParseDict({"user": person, **fields}, CheckQualificationRequest())


def drop_absent(values: Values) -> Values:
    return {name: value for name, value in values.items() if value is not ABSENT}


def load_session(**fields: Any) -> Values:
    """Return the loaded values of `build_session`."""
    values: Values = CREATE_SESSION.load(build_session(**fields))
    return values


def find_faults(body: Values, schema: Schema = CREATE_SESSION) -> dict[str, list[str]]:
    """Return the faults of a body by their dotted paths."""
    before = deepcopy(body)
    try:
        schema.load(body)
        found = {}
    except ValidationError as error:
        found = dict(flatten_by_path(error.messages_dict))
    # repr, because NaN does not equal itself
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


def load_example() -> Values:
    """The demo body as it reaches the rules: without nulls, partner_info as text."""
    path = Path(__file__).parents[2] / "demo" / "session.json"
    body: Values = drop_nulls(json.loads(path.read_text()))
    body["partner_info"] = json.dumps(body["partner_info"])
    return body


def to_dict(message: Message) -> Values:
    """Return a message as JSON would show it."""
    values: Values = MessageToDict(message, preserving_proto_field_name=True)
    return values
