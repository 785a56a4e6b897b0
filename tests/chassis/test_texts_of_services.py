"""Every text of every request is of one line, but for those that are listed here.

The schemas are found, not listed: a new text is of one line unless it says otherwise.
"""

from collections.abc import Iterator
from typing import Any

import pytest
from marshmallow import Schema, fields

from chassis.messages.texts import CONTROL, DIRECTION, INVISIBLE, ONE_LINE
from chassis.validation import Rules
from subscriptions_svc.rules.changes import KeptOrNew
from subscriptions_svc.rules.shapes import CommaSeparated
from tests.chassis.test_fast_path_of_services import find_rules

PARAGRAPHS = {
    "orders.ACCEPT_INVITATION": {"password"},
    "orders.CREATE_LENS_PACKAGE": {"description", "lens.tint_instruction"},
    "orders.CREATE_ORDER": {"special_instructions", "lens.tint_instruction", "redo_data.reason"},
    "orders.DUPLICATE_ORDER": {"redo_data.reason"},
    "orders.LOG_IN": {"password"},
    "orders.SEARCH_ORDERS": {"text"},
    "subscriptions.CREATE_WARRANTY_EVENT": {"description"},
    "subscriptions.LIST_SUBSCRIPTIONS": {"search"},
}
RAW = {
    "orders.CREATE_ORDER": {"frame.tracing"},
    "orders.DUPLICATE_ORDER": {"order_id"},  # of the path: what is no id is not found
    "orders.READ_ORDER_RX": {"document"},
    "sessions.CREATE_SESSION": {"partner_info"},
    "subscriptions.CART_ITEMS": {"document"},
    "subscriptions.CREATE_PRICE_SIMULATION": {"discounts"},
    "subscriptions.CREATE_SUBSCRIPTION": {"discounts"},
}
BAD = [("a\0", CONTROL), ("a\nb", ONE_LINE), ("a\u202eb", DIRECTION), ("\u3164", INVISIBLE)]


def find_texts(schema: Schema, prefix: str = "") -> Iterator[str]:
    """The paths of the texts of a schema, with the first item of each list."""
    for name, field in schema.load_fields.items():
        yield from find_texts_of_field(field, f"{prefix}{name}")


def find_texts_of_field(field: Any, path: str) -> Iterator[str]:
    """The paths of the texts of a field."""
    if isinstance(field, fields.Nested):
        yield from find_texts(field.schema, f"{path}.0." if field.many else f"{path}.")
    elif isinstance(field, KeptOrNew):
        yield from find_texts(field.new, f"{path}.")
    elif isinstance(field, fields.List):
        yield from find_texts_of_field(field.inner, f"{path}.0")
    elif isinstance(field, fields.String | CommaSeparated):
        yield path


def build(path: str, text: str) -> Any:
    """Values with one text at a path."""
    name, _, rest = path.partition(".")
    inner = build(rest, text) if rest else text
    return [inner] if name == "0" else {name: inner}


def test_texts_of_several_lines_are_listed() -> None:
    rules = find_rules()
    assert {name: set(each.paragraphs) for name, each in rules.items() if each.paragraphs} == (
        PARAGRAPHS
    )
    assert {name: set(each.raw) for name, each in rules.items() if each.raw} == RAW
    for name, each in rules.items():
        assert each.paragraphs | each.raw <= set(find_texts(each.schema)), name


@pytest.mark.parametrize("name", find_rules())
@pytest.mark.parametrize(("text", "message"), BAD)
def test_every_text_refuses_what_it_cannot_hold(name: str, text: str, message: str) -> None:
    rules: Rules = find_rules()[name]
    for path in find_texts(rules.schema):
        _, faults = rules.examine_values(build(path, text))
        expected = path not in rules.raw and (
            path not in rules.paragraphs or message in (CONTROL, INVISIBLE)
        )
        if expected:  # by this message, unless the schema has its own
            assert path in {fault.path for fault in faults}
        else:
            assert (path, message) not in {(fault.path, fault.message) for fault in faults}
