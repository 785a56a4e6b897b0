"""Reading bodies and query strings into messages."""

from collections.abc import Callable
from typing import Any

import pytest

from chassis.errors import Fault, Invalid
from chassis.messages.reader import (
    MALFORMED,
    MAX_FAULTS,
    MAX_NODES,
    TOO_DEEP,
    TOO_MANY,
    Reader,
)
from protos.orders_pb2 import (
    CreateOrderRequest,
    GetOrderSettingsRequest,
    ListStylesRequest,
    Rx,
    RxEye,
)
from protos.subscriptions_pb2 import CreateSubscriptionRequest, ListSubscriptionsRequest

ORDER = Reader(CreateOrderRequest)
SUBSCRIPTION = Reader(CreateSubscriptionRequest, raw=("discounts",))
TOO_DEEP_FAULT = Fault("", TOO_DEEP)
DUPLICATE_KEY_FAULT = "Duplicate key in one object."


def find_faults(read: Callable[[], Any]) -> list[Fault]:
    """The faults with which reading is refused."""
    with pytest.raises(Invalid) as raised:
        read()
    assert raised.value.reason == MALFORMED
    return list(raised.value.faults)


def build_body(text: str) -> bytes:
    """A body with one field of the left eye."""
    return b'{"rx":{"left_eye":{%s}}}' % text.encode()


def test_it_works() -> None:
    read = ORDER.read(b'{"mode":"draft","services":["Tea"],"rx":{"left_eye":{"sphere":0}}}')
    rx = Rx(left_eye=RxEye(sphere=0.0))
    assert read == CreateOrderRequest(mode="draft", services=["Tea"], rx=rx)
    assert read.rx.left_eye.HasField("sphere")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('"axis":true', "Must be an integer, is a boolean."),
        ('"axis":"12"', "Must be an integer, is a string."),
        ('"axis":90.5', "Must be an integer, is a number with a fraction."),
        ('"axis":2147483648.0', "Must be an integer from -2147483648 to 2147483647."),
        ('"axis":1e300', "Must be an integer from -2147483648 to 2147483647."),
        ('"axis":2147483648', "Must be an integer from -2147483648 to 2147483647."),
        ('"axis":-2147483649', "Must be an integer from -2147483648 to 2147483647."),
        ('"axis":' + "9" * 400, "Must be an integer from -2147483648 to 2147483647."),
        ('"axis":{}', "Must be an integer, is an object."),
        ('"sphere":false', "Must be a number, is a boolean."),
        ('"sphere":"-1.25"', "Must be a number, is a string."),
        ('"sphere":[]', "Must be a number, is an array."),
        ('"sphere":' + "9" * 400, "Must be a number from -1.8e308 to 1.8e308."),
    ],
)
def test_a_number_is_of_its_type_and_in_its_range(text: str, message: str) -> None:
    path = "rx.left_eye." + text.split('"')[1]
    assert find_faults(lambda: ORDER.read(build_body(text))) == [Fault(path, message)]


@pytest.mark.parametrize("axis", ["90.0", "9e1", "900e-1", "90.000"])
def test_a_double_without_a_fraction_is_an_integer(axis: str) -> None:
    assert ORDER.read(build_body(f'"axis":{axis},"sphere":-1')) == ORDER.read(
        build_body('"axis":90,"sphere":-1')
    )
    item = (
        b'{"cart_items":[{"price_with_tax":1200.0},{"price_with_tax":7}],"discounts":[{"a":1.0}]}'
    )
    read = SUBSCRIPTION.read(item)
    assert [each.price_with_tax for each in read.cart_items] == [1200, 7]
    assert read.discounts == '[{"a":1.0}]'


def test_beside_a_double_every_other_fault_is_still_found() -> None:
    assert find_faults(lambda: ORDER.read(build_body('"axis":90.0,"pd":"31"'))) == [
        Fault("rx.left_eye.pd", "Must be a number, is a string.")
    ]
    assert find_faults(lambda: ORDER.read(build_body('"axis":90.0,"axis":90'))) == [
        Fault("rx.left_eye.axis", DUPLICATE_KEY_FAULT)
    ]
    assert find_faults(lambda: ORDER.read(build_body('"axis":90.0,"pd":') + b"x")) == [
        Fault("", "The body is not JSON at line 1, column 37: a value was expected.")
    ]


def test_the_ends_of_the_integers_are_read() -> None:
    for axis in (-(2**31), 2**31 - 1):
        assert ORDER.read(build_body(f'"axis":{axis}')).rx.left_eye.axis == axis
    for price in (-(2**63), 2**63 - 1):
        body = b'{"cart_items":[{"price_with_tax":%d}]}' % price
        assert SUBSCRIPTION.read(body).cart_items[0].price_with_tax == price


def test_integers_of_64_bits_have_an_end() -> None:
    items = ",".join(f'{{"price_with_tax":{price}}}' for price in (2**63, -(2**63) - 1, 10**30))
    assert find_faults(lambda: SUBSCRIPTION.read(b'{"cart_items":[%s]}' % items.encode())) == [
        Fault(
            "cart_items.0.price_with_tax",
            "Must be an integer from -9223372036854775808 to 9223372036854775807.",
        ),
        Fault(
            "cart_items.1.price_with_tax",
            "Must be an integer from -9223372036854775808 to 9223372036854775807.",
        ),
        Fault(
            "cart_items.2.price_with_tax",
            "Must be an integer from -9223372036854775808 to 9223372036854775807.",
        ),
    ]


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (b"[]", "an array"),
        (b"1", "a number"),
        (b"null", "null"),
        (b'"mode"', "a string"),
        (b"true", "a boolean"),
        (b"[{}]", "an array"),
    ],
)
def test_a_body_is_an_object(body: bytes, kind: str) -> None:
    expected = [Fault("", f"The body must be an object, is {kind}.")]
    assert find_faults(lambda: ORDER.read(body)) == expected


def test_a_surrogate_pair_is_one_character() -> None:
    assert ORDER.read(b'{"mode":"\\ud83d\\udc53"}').mode == "👓"


def test_every_departure_from_the_shape_is_named_at_once() -> None:
    body = b"""{
        "mode": 1, "cylnder": -1, "patient": [], "services": "Tea", "lens": {"coats": [null, 3]},
        "rx": {"left_eye": {"axis": "12", "Axis": 1}, "right_eye": {"horizontal_prism": 2}},
        "": {}, "special_instructions": {}
    }"""
    assert find_faults(lambda: ORDER.read(body)) == [
        Fault("mode", "Must be a string, is a number."),
        Fault("cylnder", "Unknown field."),
        Fault("patient", "Must be an object, is an array."),
        Fault("services", "Must be an array, is a string."),
        Fault("lens.coats.0", "Must be a string, is null."),
        Fault("lens.coats.1", "Must be a string, is a number."),
        Fault("rx.left_eye.axis", "Must be an integer, is a string."),
        Fault("rx.left_eye.Axis", "Unknown field; did you mean `axis`?"),
        Fault("rx.right_eye.horizontal_prism", "Must be an object, is a number."),
        Fault("", "Unknown field."),
        Fault("special_instructions", "Must be a string, is an object."),
    ]


def test_an_unknown_field_in_a_list_is_named_with_its_index() -> None:
    body = b'{"cart_items":[{},{"items":[{},{"boxes":1}]},null]}'
    assert find_faults(lambda: SUBSCRIPTION.read(body)) == [
        Fault("cart_items.1.items.1.boxes", "Unknown field."),
        Fault("cart_items.2", "Must be an object, is null."),
    ]


def test_of_very_many_faults_the_first_are_listed() -> None:
    found = find_faults(lambda: ORDER.read(b'{"services":[%s]}' % b",".join([b"1"] * 200_000)))
    assert len(found) == MAX_FAULTS + 1
    assert found[0] == Fault("services.0", "Must be a string, is a number.")
    assert found[-1] == Fault("", "More faults are not listed.")


def test_of_very_many_duplicate_keys_the_first_are_listed() -> None:
    found = find_faults(lambda: ORDER.read(b'{"mode":"a"%s}' % (b',"mode":"a"' * 15_000)))
    assert found[:-1] == [Fault("mode", DUPLICATE_KEY_FAULT)] * MAX_FAULTS
    assert found[-1] == Fault("", "More faults are not listed.")


def test_exactly_as_many_faults_as_are_listed_have_no_last_line() -> None:
    texts = b'"a",' * 1000
    found = find_faults(lambda: ORDER.read(b'{"services":[%s1%s]}' % (texts, b",1" * 99)))
    assert [fault.path for fault in found] == [f"services.{1000 + i}" for i in range(MAX_FAULTS)]


@pytest.mark.parametrize("unit", [b"[]", b"{}", b'{"a":1}'])
def test_a_body_of_too_many_nodes_is_refused(unit: bytes) -> None:
    array = b",".join([unit] * (MAX_NODES + 1))
    for body in (b'{"services":[%s]}' % array, b"[%s]" % array):
        assert find_faults(lambda body=body: ORDER.read(body)) == [Fault("", TOO_MANY)]  # type: ignore[misc]
    (fault,) = find_faults(lambda: ORDER.read(b"[%s" % array))
    assert fault.message.startswith("The body ends too early, at line 1, column ")


def test_items_that_are_no_nodes_may_be_many() -> None:
    assert len(ORDER.read(b'{"services":["a"%s]}' % (b',"a"' * 100_000)).services) == 100_001


def test_null_counts_as_absent() -> None:
    body = b'{"mode":null,"services":null,"lens":null,"rx":{"left_eye":{"sphere":null}}}'
    assert ORDER.read(body) == CreateOrderRequest(rx=Rx(left_eye=RxEye()))
    assert SUBSCRIPTION.read(b'{"discounts": null }') == CreateSubscriptionRequest()


def test_an_empty_value_counts_as_set() -> None:
    read = ORDER.read(b'{"lens":{},"services":[],"frame":{"a":0}}')
    assert [field.name for field, _ in read.ListFields()] == ["lens", "frame"]
    assert read.frame.HasField("a")


@pytest.mark.parametrize(
    ("body", "paths"),
    [
        (b'{"mode":"a","mode":"a"}', ["mode"]),
        (b'{"mode":"a","mode":null}', ["mode"]),
        (b'{"mode":"a","\\u006dode":"b"}', ["mode"]),
        (b'{"mode":"draft:","mode":"\\u003a:"}', ["mode"]),
        (b'{"mode":"\\u003a","mode":"\\u003A","lab":"\\\\u003a"}', ["mode"]),
        (b'{"rx":{"left_eye":{},"left_eye":{}}}', ["rx.left_eye"]),
        (b'{"rx":{"left_eye":{"axis":1,"axis":2},"right_eye":{"axis":1}}}', ["rx.left_eye.axis"]),
        (b'{"rx":null,"rx":{"left_eye":{}},"mode":"a","mode":"b"}', ["rx", "mode"]),
        (b'{"mode":"a","mode":"b","mode":"c"}', ["mode", "mode"]),
    ],
)
def test_a_duplicate_key_in_an_object_is_refused(body: bytes, paths: list[str]) -> None:
    assert find_faults(lambda: ORDER.read(body)) == [
        Fault(path, DUPLICATE_KEY_FAULT) for path in paths
    ]


@pytest.mark.parametrize(
    ("body", "faults"),
    [
        (b'{"rx":{"left_ey":{}},"rx":{}}', [Fault("rx", DUPLICATE_KEY_FAULT)]),
        (b'{"mode":1,"mode":"draft"}', [Fault("mode", DUPLICATE_KEY_FAULT)]),
        (b'{"services":[[1],2],"services":[]}', [Fault("services", DUPLICATE_KEY_FAULT)]),
    ],
)
def test_a_fault_in_a_value_that_a_duplicate_key_replaces_is_refused(
    body: bytes, faults: list[Fault]
) -> None:
    assert find_faults(lambda: ORDER.read(body)) == faults


def test_a_duplicate_key_in_a_list_is_named_with_its_index() -> None:
    body = b'{"cart_items":[{"name":"a"},{"items":[{"name":"a","name":"b"}]}]}'
    assert find_faults(lambda: SUBSCRIPTION.read(body)) == [
        Fault("cart_items.1.items.0.name", DUPLICATE_KEY_FAULT)
    ]


def test_colons_in_text_are_no_keys() -> None:
    assert ORDER.read(b'{"mode":"a:b\\u003ac","lab":"::"}').mode == "a:b:c"


@pytest.mark.parametrize(
    "text",
    [
        '{"a" : 1,\n "a":2}',
        "[1, 2.50, 1e400, -0]",
        '"\\ud83d\\udc53 \\u003a"',
        "true",
        "0",
        "9" * 5000,
        '{"deep":{"email":1,"email":2}}',
    ],
)
def test_a_raw_field_keeps_its_text_exactly_as_it_was_sent(text: str) -> None:
    body = f'{{"discounts": {text} ,"email":"a:b"}}'.encode()
    assert SUBSCRIPTION.read(body) == CreateSubscriptionRequest(discounts=text, email="a:b")


@pytest.mark.parametrize("text", [b"NaN", b"01", b'"\\x"', b'"\\ud800"', b'"\xff"', b'"\x00"', b""])
def test_a_raw_field_is_json_in_utf_8_too(text: bytes) -> None:
    (fault,) = find_faults(lambda: SUBSCRIPTION.read(b'{"discounts":%s}' % text))
    assert (fault.path, fault.message.startswith("The body is not ")) == ("", True)


@pytest.mark.parametrize("text", ["1", "9" * 5000, '{"a":1,"a":2}'])
def test_a_duplicate_raw_field_is_refused(text: str) -> None:
    body = f'{{"discounts":{text},"email":"a","discounts":{text}}}'.encode()
    assert find_faults(lambda: SUBSCRIPTION.read(body)) == [Fault("discounts", DUPLICATE_KEY_FAULT)]


@pytest.mark.parametrize("depth", [500, 900, *range(940, 1010, 3), 50_000])
def test_no_depth_breaks_the_reader(depth: int) -> None:
    lists = b"[" * depth + b"]" * depth
    in_text = [Fault("services.0", "Must be a string, is an array.")]
    assert find_faults(lambda: ORDER.read(b'{"services":%s}' % lists)) in (
        [TOO_DEEP_FAULT],
        in_text,
    )
    twice = b'{"discounts":%s,"email":"a","email":"b"}' % lists
    assert find_faults(lambda: SUBSCRIPTION.read(twice)) in (
        [TOO_DEEP_FAULT],
        [Fault("email", DUPLICATE_KEY_FAULT)],
    )
    objects = b'{"rx":' * depth + b"1" + b"}" * depth
    assert find_faults(lambda: ORDER.read(objects)) in (
        [TOO_DEEP_FAULT],
        [Fault("rx.rx", "Unknown field.")],
    )


def test_a_message_inside_itself_nests_once() -> None:
    read = SUBSCRIPTION.read(b'{"cart_items":[{"items":[{"name":"a"}]}]}')
    assert read.cart_items[0].items[0].name == "a"
    deeper = b'{"cart_items":[{"items":[{"items":[{}]}]}]}'
    assert find_faults(lambda: SUBSCRIPTION.read(deeper)) == [
        Fault("cart_items.0.items.0.items", "Unknown field.")
    ]


def test_a_field_of_the_path_is_unknown_elsewhere() -> None:
    reader = Reader(GetOrderSettingsRequest, path=("lab",))
    expected = GetOrderSettingsRequest(lab="lab_123", account_number="1")
    assert reader.read(b'{"account_number":"1"}', lab="lab_123") == expected
    assert reader.read_query({"account_number": ["1"]}, lab="lab_123") == expected
    unknown = [Fault("lab", "Unknown field.")]
    assert find_faults(lambda: reader.read(b'{"lab":"lab_456"}', lab="lab_123")) == unknown
    assert find_faults(lambda: reader.read_query({"lab": ["lab_456"]}, lab="lab_123")) == unknown


def test_a_query_string_has_text_and_numbers() -> None:
    reader = Reader(ListSubscriptionsRequest)
    read = reader.read_query({"search": ["12"], "status": ["null"], "page": ["2"]})
    assert read == ListSubscriptionsRequest(search="12", status="null", page=2)
    assert reader.read_query({}) == ListSubscriptionsRequest()


@pytest.mark.parametrize("page", ["", " 1", "1.5", "+1", "1_0", "true", "null", "٣", "x"])
def test_a_number_in_a_query_string_is_a_number(page: str) -> None:
    reader = Reader(ListSubscriptionsRequest)
    wrong = [Fault("page", "Must be an integer.")]
    assert find_faults(lambda: reader.read_query({"page": [page]})) == wrong


@pytest.mark.parametrize("page", [str(2**31), "9" * 30])
def test_a_number_in_a_query_string_has_a_range(page: str) -> None:
    reader = Reader(ListSubscriptionsRequest)
    wrong = [Fault("page", "Must be an integer from -2147483648 to 2147483647.")]
    assert find_faults(lambda: reader.read_query({"page": [page]})) == wrong


def test_a_repeated_query_parameter_is_refused() -> None:
    reader = Reader(ListStylesRequest)
    assert find_faults(lambda: reader.read_query({"lab": ["a", "a"], "style": ["b"]})) == [
        Fault("lab", "Given more than once."),
        Fault("style", "Unknown field."),
    ]


def test_brackets_in_a_query_string_name_an_operator() -> None:
    reader = Reader(ListSubscriptionsRequest)
    read = reader.read_query({"created_at[from]": ["2026-01-01"], "created_at": ["2026-01-02"]})
    assert read == ListSubscriptionsRequest(created_at_from="2026-01-01", created_at="2026-01-02")
    twice = {"created_at[from]": ["2026-01-01"], "created_at_from": ["2026-01-02"]}
    assert find_faults(lambda: reader.read_query(twice)) == [
        Fault("created_at_from", "Given more than once.")
    ]
    for name in ("page]", "[page]", "page[]", "created_at[", "created_at[gt]"):
        assert len(find_faults(lambda name=name: reader.read_query({name: ["1"]}))) == 1  # type: ignore[misc]


def test_a_list_has_no_place_in_a_query_string() -> None:
    assert find_faults(lambda: ORDER.read_query({"services": ["Tea"], "rx": ["{}"]})) == [
        Fault("services", "Must be an array, which a query string cannot hold."),
        Fault("rx", "Must be an object, which a query string cannot hold."),
    ]
