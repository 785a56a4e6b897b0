"""The formats of an event's body."""

from urllib.parse import urlencode

from hypothesis import given
from hypothesis import strategies as st

from chassis.events.formats import FORM_TYPE, format_body, parse_form

FORM = urlencode(
    [
        ("event", "subscriptions/boxes_delivered"),
        ("order_ref_1", "Ñ & co"),
        ("deliveries[][cart_item_reference_uuid]", "a"),
        ("deliveries[][quantity]", "1"),
        ("deliveries[][cart_item_reference_uuid]", "b"),
        ("deliveries[][quantity]", "2"),
        ("empty", ""),
    ]
)


def test_a_form_becomes_json_where_the_endpoint_asks_for_it() -> None:
    assert format_body(FORM_TYPE, FORM, "json") == (
        "application/json",
        '{"event":"subscriptions/boxes_delivered","order_ref_1":"Ñ & co",'
        '"deliveries":[{"cart_item_reference_uuid":"a","quantity":"1"},'
        '{"cart_item_reference_uuid":"b","quantity":"2"}],"empty":""}'.encode(),
    )


def test_every_other_body_is_sent_as_it_was_written() -> None:
    assert format_body(FORM_TYPE, FORM, None) == (FORM_TYPE, FORM.encode())
    for wanted in (None, "json"):
        assert format_body("application/json", '{"a":"é"}', wanted) == (
            "application/json",
            '{"a":"é"}'.encode(),
        )


@given(st.dictionaries(st.from_regex(r"[a-z_]{1,9}", fullmatch=True), st.text()))
def test_plain_fields_survive(fields: dict[str, str]) -> None:
    assert parse_form(urlencode(fields)) == fields
