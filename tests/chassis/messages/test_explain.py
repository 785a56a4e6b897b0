"""What the sender of a request that cannot be read is told."""

import pytest

from chassis.errors import Fault
from chassis.messages.explain import MAX_SUGGESTIONS, OUT_OF_RANGE
from chassis.messages.reader import Reader
from protos.orders_pb2 import ListOrdersRequest
from tests.chassis.messages.test_reader import ORDER, SUBSCRIPTION, build_body, find_faults

KEY = "a key in double quotes was expected"
VALUE = "a value was expected"
HALF = "half of a surrogate pair has no other half"
WIDE = "The body begins with a byte order mark of UTF-16 or UTF-32; send JSON in UTF-8."


def write_position(column: int, expected: str, line: int = 1) -> str:
    """The sentence about a place in a body."""
    return f"The body is not JSON at line {line}, column {column}: {expected}."


def write_early_end(column: int, lacking: str) -> str:
    """The sentence about the end of a body."""
    return f"The body ends too early, at line 1, column {column}: {lacking} was expected."


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"", write_early_end(1, "a value")),
        (b" ", write_early_end(2, "a value")),
        (b"{", write_early_end(2, "a key in double quotes")),
        (b'{"mode"', write_early_end(8, "a colon")),
        (b'{"mode":', write_early_end(9, "a value")),
        (b'{"mode":"dra', write_early_end(13, "the end of a string")),
        (b'{"mode":"draft"', write_early_end(16, "a comma, or the end of an object or an array,")),
        (b'{"mode":"draft",', write_early_end(17, "a key in double quotes")),
        (b'{"mode":"%s"' % (b"x" * 70_000), write_early_end(70_011, "more")),
        (b"\xef\xbb\xbf{}", "The body begins with a byte order mark; send it without one."),
        ('{"mode":"draft"}'.encode("utf-16"), WIDE),
        ('{"mode":"draft"}'.encode("utf-32"), WIDE),
        ('{"mode":"draft"}'.encode("utf-32-le"), write_position(2, KEY)),
        (b"{} x", write_position(4, "the end of the body was expected")),
        (b"{}{}", write_position(3, "the end of the body was expected")),
        (b"hello", write_position(1, VALUE)),
        (b"{'mode':'draft'}", write_position(2, KEY)),
        (b'{"mode" "draft"}', write_position(9, "a colon was expected")),
        (
            b'{"mode":"draft" "lab":"x"}',
            write_position(17, "a comma or a closing brace was expected"),
        ),
        (
            b'{"services":["a" "b"]}',
            write_position(18, "a comma or a closing bracket was expected"),
        ),
        (b'{"mode":"draft",}', write_position(16, "there is a comma before the closing brace")),
        (
            b'{"mode":"draft"\n ,\n }',
            write_position(2, "there is a comma before the closing brace", 2),
        ),
        (
            b'{"services":["a" ,]}',
            write_position(18, "there is a comma before the closing bracket"),
        ),
        (
            '{"é": 1,\n"ü":"ö",}'.encode(),
            write_position(8, "there is a comma before the closing brace", 2),
        ),
        (b'{"mode":draft}', write_position(9, VALUE)),
        (b'{"mode":"\xff"}', "The body is not UTF-8 at line 1, column 10: byte 0xFF."),
        (b'{\n"mode":"\xed\xa0"}', "The body is not UTF-8 at line 2, column 9: byte 0xED."),
        (b'{"\xff":1}', "The body is not UTF-8 at line 1, column 3: byte 0xFF."),
        (b'{"mode":"\\ud800"}', f"The body is not JSON: {HALF}."),
        (b'{"mode":"\\udc00\\ud800"}', write_position(16, HALF)),
        (b'{"mode":"a\x00b"}', write_position(11, "a control character must be escaped")),
        (b'{"mode":"a\nb"}', write_position(11, "a control character must be escaped")),
        (b'{"mode":"\\x41"}', write_position(12, "there is no such escape")),
        (build_body('"sphere":NaN'), write_position(29, VALUE)),
        (build_body('"sphere":Infinity'), write_position(29, VALUE)),
        (build_body('"sphere":-Infinity'), write_position(30, VALUE)),
        (build_body('"sphere":1e400'), OUT_OF_RANGE),
        (build_body('"sphere":-1e400'), OUT_OF_RANGE),
        (build_body('"axis":' + "9" * 5000), OUT_OF_RANGE),
        (build_body('"sphere":01'), write_position(30, "a number is malformed")),
        (build_body('"sphere":+1'), write_position(29, VALUE)),
        (build_body('"sphere":.5'), write_position(29, VALUE)),
        (build_body('"sphere":0x1'), write_position(30, "a comma or a closing brace was expected")),
    ],
)
def test_what_is_not_json_is_refused_with_the_place_and_what_was_expected(
    body: bytes, message: str
) -> None:
    assert find_faults(lambda: ORDER.read(body)) == [Fault("", message)]


def test_unknown_fields_ask_whether_a_known_one_was_meant() -> None:
    body = b"""{"rx":{"right_eye":{"cylnder":1,"near-pd":1}},"patients":{},"a.mode":1,"x":1,
        "patient":{"firstname":1},"services":["a"],"%s":1}"""
    assert find_faults(lambda: ORDER.read(body % (b"mode" * 20))) == [
        Fault("rx.right_eye.cylnder", "Unknown field; did you mean `cylinder`?"),
        Fault("rx.right_eye.near-pd", "Unknown field; did you mean `near_pd`?"),
        Fault("patients", "Unknown field; did you mean `patient`?"),
        Fault("a.mode", "Unknown field."),
        Fault("x", "Unknown field."),
        Fault("patient.firstname", "Unknown field; did you mean `first_name`?"),
        Fault("mode" * 20, "Unknown field."),
    ]
    item = b'{"cart_items":[{"quantty":1}]}'
    assert find_faults(lambda: SUBSCRIPTION.read(item)) == [
        Fault("cart_items.0.quantty", "Unknown field; did you mean `quantity`?")
    ]


def test_of_very_many_unknown_fields_the_first_ask() -> None:
    names = ",".join(f'"mod{number}":1' for number in range(50))
    messages = [fault.message for fault in find_faults(lambda: ORDER.read(f"{{{names}}}".encode()))]
    asking = ["Unknown field; did you mean `mode`?"] * MAX_SUGGESTIONS
    assert messages == asking + ["Unknown field."] * (50 - MAX_SUGGESTIONS)


def test_a_query_string_names_operators_in_brackets() -> None:
    reader = Reader(ListOrdersRequest, hints={"created_gt": "Must be a time."})
    query = {"created[ne]": ["1"], "created[gt]": ["now"], "created[lt]": ["now"]}
    assert find_faults(lambda: reader.read_query(query)) == [
        Fault("created_ne", "Unknown field; did you mean `created[lte]`?"),
        Fault("created_gt", "Must be a time."),
        Fault("created_lt", "Must be an integer."),
    ]
