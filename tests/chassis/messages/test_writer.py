"""Writing: messages as JSON, and as the plain values that rules take."""

import json
from datetime import UTC, datetime
from typing import Any

from google.protobuf.timestamp_pb2 import Timestamp
from hypothesis import given, settings
from hypothesis import strategies as st

from chassis.messages.plain import to_dict
from chassis.messages.reader import Reader, list_field_names
from chassis.messages.writer import Writer
from protos.orders_pb2 import (
    Addons,
    CatalogEntry,
    Coat,
    CreateOrderRequest,
    CreateOrderResponse,
    Frame,
    Lens,
    ListAddonsResponse,
    Patient,
    Prism,
    Rx,
    RxEye,
)
from protos.sessions_pb2 import Eye, Prescription
from protos.subscriptions_pb2 import (
    Cart,
    CartItem,
    ListSubscriptionsResponse,
    Money,
    NewCartItem,
    Subscription,
)

READER = Reader(CreateOrderRequest)
WRITER = Writer(CreateOrderRequest)


def write_and_read(writer: Writer, message: Any) -> Any:
    """What is written, read back by a program."""
    return json.loads(writer.write(message))


def test_unset_fields_are_omitted() -> None:
    assert WRITER.write(CreateOrderRequest(mode="draft", rx=Rx(left_eye=RxEye(axis=0)))) == (
        b'{"mode":"draft","submission_type":"","order_type":"","lab":"","account_number":"",'
        b'"mounting_option":"","rx":{"left_eye":{"axis":0}},"services":[],"special_instructions":"","acknowledged_warnings":[]}'
    )


def test_unset_fields_are_null_where_a_dialect_wants_it() -> None:
    coats = [Coat(id="c", name="C"), Coat(id="d", name="D", type="ar")]
    addons = ListAddonsResponse(data=Addons(coats=coats, colors=[CatalogEntry(id="e", name="E")]))
    assert write_and_read(Writer(ListAddonsResponse, nulls=True), addons) == {
        "data": {
            "coats": [
                {"id": "c", "name": "C", "type": None},
                {"id": "d", "name": "D", "type": "ar"},
            ],
            "colors": [{"id": "e", "name": "E"}],
            "tints": [],
        }
    }


def test_optional_fields_are_omitted_in_either_case() -> None:
    omitted = ("url", "warnings", "editable_until")
    writer = Writer(CreateOrderResponse, nulls=True, optional=omitted)
    assert writer.write(CreateOrderResponse(id="ord_1")) == b'{"id":"ord_1"}'
    assert write_and_read(writer, CreateOrderResponse(id="ord_1", url="u")) == {
        "id": "ord_1",
        "url": "u",
    }


def test_an_optional_list_is_left_out_when_it_is_empty() -> None:
    assert b"items" not in Writer(CartItem, optional=("items",)).write(CartItem())
    assert write_and_read(Writer(CartItem), CartItem())["items"] == []


def test_an_optional_text_is_left_out_when_it_is_empty() -> None:
    everything = list_field_names(CreateOrderRequest)
    assert {"mode", "left_eye", "power", "postal_code"} <= everything
    writer = Writer(CreateOrderRequest, nulls=True, optional=everything)
    eye = RxEye(sphere=0.0, axis=0)
    sent = {"mode": "draft", "rx": {"left_eye": {"sphere": 0.0, "axis": 0}}}
    assert write_and_read(writer, CreateOrderRequest(mode="draft", rx=Rx(left_eye=eye))) == sent


def test_foreign_fields_are_omitted_from_the_messages_inside() -> None:
    writer = Writer(Prescription, nulls=True, foreign={"glasses": ("product_key", "diameter")})
    eye = Eye(sphere=0.0)
    contacts = write_and_read(writer, Prescription(type="contacts", right_eye=eye))
    assert (contacts["right_eye"]["product_key"], contacts["right_eye"]["diameter"]) == ("", None)
    glasses = write_and_read(writer, Prescription(type="glasses", right_eye=eye))
    assert contacts["right_eye"] == {**glasses["right_eye"], "product_key": "", "diameter": None}
    assert (glasses["type"], glasses["left_eye"]) == ("glasses", None)


def test_a_message_inside_itself_is_written_at_every_depth() -> None:
    innermost = CartItem(name="c", box_count=0)
    item = CartItem(name="a", items=[CartItem(name="b", items=[innermost])])
    inner = write_and_read(Writer(CartItem, optional=("items",)), item)["items"][0]["items"][0]
    assert (inner["name"], inner["box_count"], "items" in inner) == ("c", 0, False)


def test_a_raw_field_is_written_as_the_json_that_it_holds() -> None:
    writer = Writer(ListSubscriptionsResponse, nulls=True, raw=("discounts",))
    text = '{"a" : [1, 2.50, 1e400],"a":"\\u00e9"}'
    listed = ListSubscriptionsResponse(data=[Subscription(discounts=text), Subscription()])
    assert f'"discounts":{text},'.encode() in writer.write(listed)
    assert b'"discounts":null' in writer.write(listed)


def test_a_timestamp_is_rfc_3339_in_utc() -> None:
    moment = Timestamp()
    moment.FromDatetime(datetime(2026, 2, 28, 23, 59, 59, tzinfo=UTC))
    document = write_and_read(Writer(Subscription, nulls=True), Subscription(created_at=moment))
    assert (document["created_at"], document["activated_at"]) == ("2026-02-28T23:59:59Z", None)


def test_text_is_written_as_utf_8() -> None:
    assert '"first_name":"Zoë 👓"'.encode() in WRITER.write(
        CreateOrderRequest(patient=Patient(first_name="Zoë 👓"))
    )


def test_integers_of_64_bits_are_json_numbers() -> None:
    assert b'"value":9223372036854775807' in Writer(Money).write(Money(value=2**63 - 1))


def test_plain_values_keep_zeros_and_lose_what_is_empty() -> None:
    order = CreateOrderRequest(
        mode="",
        services=[],
        lens=Lens(),
        frame=Frame(a=0.0, b=1.5, sku=""),
        rx=Rx(left_eye=RxEye(sphere=0.0, axis=0, horizontal_prism=Prism(power=0.0))),
    )
    assert to_dict(order) == {
        "lens": {},
        "frame": {"a": 0.0, "b": 1.5},
        "rx": {"left_eye": {"sphere": 0.0, "axis": 0, "horizontal_prism": {"power": 0.0}}},
    }
    assert to_dict(CreateOrderRequest()) == {}


def test_plain_values_are_plain_all_the_way_down() -> None:
    cart = Cart(cart_items=[CartItem(items=[CartItem(price_with_tax=Money(value=5))])])
    assert to_dict(cart) == {"cart_items": [{"items": [{"price_with_tax": {"value": 5}}]}]}
    item = to_dict(NewCartItem(items=[NewCartItem(quantity=0)]))
    assert item == {"items": [{"quantity": 0}]}
    assert type(item["items"]) is list


text = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
number = st.none() | st.floats(allow_nan=False, allow_infinity=False)
prisms = st.builds(Prism, power=number, direction=text)
eyes = st.builds(
    RxEye,
    sphere=number,
    axis=st.none() | st.integers(-(2**31), 2**31 - 1),
    horizontal_prism=st.none() | prisms,
)
orders = st.builds(
    CreateOrderRequest,
    mode=text,
    patient=st.none() | st.builds(Patient, first_name=text),
    lens=st.none() | st.builds(Lens, coats=st.lists(text, max_size=3)),
    frame=st.none() | st.builds(Frame, a=number, tracing=text),
    rx=st.none() | st.builds(Rx, left_eye=st.none() | eyes, right_eye=st.none() | eyes),
    services=st.lists(text, max_size=3),
)


@settings(max_examples=150, deadline=None)
@given(orders)
def test_written_messages_are_read_back(order: CreateOrderRequest) -> None:
    assert READER.read(WRITER.write(order)) == order
    # Whatever spelling a program chooses for the same JSON.
    spelled = json.dumps(json.loads(WRITER.write(order)), indent=1).encode()
    assert READER.read(spelled) == order
