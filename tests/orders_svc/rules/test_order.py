"""The rules of an order's fields: every row of the tables, both sides of every boundary."""

import copy

import pytest
from marshmallow import Schema

from orders_svc.rules import catalogs
from orders_svc.rules import order as rules
from orders_svc.rules.credentials import tokens
from orders_svc.rules.offer import find_offer_faults
from tests.orders_svc.bodies import BLANK, LAB, MISSING, OFFER, Body, find_faults, put, refusal

STATE = "Must be the two capital letters of a US state, DC, AS, GU, MP, PR or VI."
ZIP = "Must be a ZIP (12345) or ZIP+4 code."

REQUIRED = """
    mode submission_type order_type lab account_number patient frame
    patient.first_name patient.last_name lens.style lens.material lens.color
    frame.handling frame.manufacturer frame.model frame.material frame.color frame.eye_size
    frame.bridge rx.left_eye.sphere rx.right_eye.sphere
    rx.right_eye.horizontal_prism.power rx.right_eye.horizontal_prism.direction
    rx.right_eye.vertical_prism.power rx.right_eye.vertical_prism.direction
    shipping.address shipping.address.line1 shipping.address.city shipping.address.state
    shipping.address.postal_code
"""
OPTIONAL = """
    patient.email patient.phone_number lens.coats services special_instructions
    frame.temple frame.a frame.b frame.lens_ed frame.vertex frame.pantoscopic_tilt frame.wrap
    frame.sku frame.tracing rx.left_eye rx.right_eye rx.left_eye.pd rx.left_eye.near_pd
    rx.right_eye.horizontal_prism rx.right_eye.vertical_prism shipping shipping.name
"""
NOT_BLANK = """
    order_type lab account_number mounting_option lens.style lens.material lens.color lens.tint
    frame.handling redo_data.type shipping.address.line1 shipping.address.city
"""
FILLED = [
    *(("patient.first_name", 50), ("patient.last_name", 50), ("frame.manufacturer", 50)),
    *(("frame.model", 50), ("frame.color", 50), ("lens.tint_instruction", 250)),
    *(("redo_data.reason", 250), ("redo_data.reference", 50)),
]
LIMITED = [
    *(("patient.phone_number", 20), ("frame.sku", 50), ("special_instructions", 1000)),
    ("shipping.name", 50),
]
RANGES = [
    *(("frame.eye_size", 10, 100), ("frame.bridge", 10, 100), ("frame.temple", 100, 200)),
    *(("frame.a", 10, 100), ("frame.b", 10, 100), ("frame.lens_ed", 10, 100)),
    *(("frame.vertex", 1, 30), ("frame.pantoscopic_tilt", -20, 20), ("frame.wrap", 0, 40)),
    *(("rx.left_eye.sphere", -30, 30), ("rx.right_eye.sphere", -30, 30)),
    *(("rx.right_eye.pd", 20, 50), ("rx.right_eye.near_pd", 20, 50)),
    *(("rx.right_eye.cylinder", -20, 20), ("rx.right_eye.axis", 1, 180)),
    *(("rx.right_eye.add", 0.5, 5), ("rx.right_eye.seg_height", 0.5, 50)),
    *(("rx.left_eye.oc_height", 0.5, 50), ("rx.right_eye.horizontal_prism.power", 0.01, 50)),
    ("rx.right_eye.vertical_prism.power", 0.01, 50),
]
FRAME_MATERIALS = """
    three_d_printed carbon_fiber drilled_and_grooved_rimless drilled_rimless
    grooved_industrial_safety grooved_rimless high_wrap horn industrial_safety leather metal
    metal_grooved step_shelf_bevel wood zyl
"""
STATES = """
    AL AK AZ AR CA CO CT DE FL GA HI ID IL IN IA KS KY LA ME MD MA MI MN MS MO MT NE NV NH NJ NM
    NY NC ND OH OK OR PA RI SC SD TN TX UT VT VA WA WV WI WY DC AS GU MP PR VI
"""
WORDS = [
    ("mode", "draft submit", "Submit DRAFT"),
    ("submission_type", "new redo multi_pair", "remake"),
    ("frame.material", FRAME_MATERIALS, "Zyl plastic"),
    ("rx.right_eye.horizontal_prism.direction", "in out", "up down In"),
    ("rx.right_eye.vertical_prism.direction", "up down", "in out UP"),
]
EMAILS = ["ada@example.com", "a.b+c@mail.example.co.uk", "é@example.org"]
NO_EMAILS = [
    f"{'é' * 33}@example.org",
    "ada",
    "ada@",
    "@example.com",
    "a b@example.com",
    "a@b@c",
    "  ",
]
NO_STATES = ["US-NV", "nv", "AA", "AE", "AP", "UM", "FM", "Nevada", " ", ""]
ZIPS = ["89501", "00501", "89501-1234"]
NO_ZIPS = ["", "8950", "895011", "89501-", "89501-123", "89501 1234", "89501\n", "٨٩٥٠١", "K1A 0B1"]
FORMS: list[tuple[str, list[str], list[str], str]] = [
    ("patient.email", EMAILS, NO_EMAILS, "Must be an e-mail address, such as name@example.com."),
    ("shipping.address.state", STATES.split(), NO_STATES, STATE),
    ("shipping.address.postal_code", ZIPS, NO_ZIPS, ZIP),
    ("shipping.address.country", ["US"], ["CA", "us", "USA", ""], "Must be US."),
]


def test_the_example_order_is_taken_and_only_gains_the_country(order: Body) -> None:
    sent = copy.deepcopy(order)
    loaded = rules.CREATE_ORDER_REQUEST.load(sent)
    assert sent == order
    order["shipping"]["address"]["country"] = "US"
    assert loaded == order
    assert find_offer_faults(loaded, OFFER) == []


def test_an_order_of_another_type_needs_no_lens_rx_or_mounting(frame_order: Body) -> None:
    assert refusal(frame_order) == ({}, frame_order)
    assert find_offer_faults(frame_order, OFFER) == []


@pytest.mark.parametrize(
    ("schema", "body"),
    [
        (tokens.CREATE_TOKEN_REQUEST, {"client_id": "demo-client", "client_secret": "secret"}),
        (catalogs.GET_ORDER_SETTINGS_REQUEST, LAB),
        (catalogs.LIST_MATERIALS_REQUEST, {**LAB, "style": "style_123"}),
        (catalogs.LIST_ADDONS_REQUEST, {**LAB, "style": "style_123", "material": "material_123"}),
    ],
)
def test_each_field_of_a_smaller_request_is_required(schema: Schema, body: dict[str, str]) -> None:
    assert schema.load(body) == body
    assert schema.validate({}) == {name: [MISSING] for name in body}
    assert schema.validate(dict.fromkeys(body, " \t\u2003")) == {name: [BLANK] for name in body}


def test_a_lens_type_is_single_vision_or_multifocal() -> None:
    schema = catalogs.LIST_STYLES_REQUEST
    for lens_type in ("single_vision", "multifocal"):
        assert schema.validate({**LAB, "lens_type": lens_type}) == {}
    message = "Must be one of: single_vision, multifocal."
    assert schema.validate({**LAB, "lens_type": "bifocal"}) == {"lens_type": [message]}
    assert schema.validate({}) == {name: [MISSING] for name in (*LAB, "lens_type")}


@pytest.mark.parametrize("path", REQUIRED.split())
def test_a_required_field_may_not_be_absent(order: Body, path: str) -> None:
    put(order, path)
    assert find_faults(order) == {path: [MISSING]}


@pytest.mark.parametrize("path", OPTIONAL.split())
def test_an_optional_field_may_be_absent(order: Body, path: str) -> None:
    put(order, path)
    assert find_faults(order) == {}


@pytest.mark.parametrize("path", NOT_BLANK.split())
def test_a_required_text_may_not_be_blank(redo: Body, path: str) -> None:
    for blank in ("", "   ", "\t\r\n", "\u00a0\u2003"):
        put(redo, path, blank)
        assert find_faults(redo) == {path: [BLANK]}


@pytest.mark.parametrize(("path", "limit"), FILLED)
def test_a_required_text_has_a_limit_in_code_points(redo: Body, path: str, limit: int) -> None:
    for taken in ("é", "👓" * limit):
        put(redo, path, taken)
        assert find_faults(redo) == {}
    for refused in ("", "  ", "x" * (limit + 1)):
        put(redo, path, refused)
        assert find_faults(redo) == {path: [f"Must be 1 to {limit} characters and not blank."]}


@pytest.mark.parametrize(("path", "limit"), LIMITED)
def test_an_optional_text_has_a_limit_in_code_points(order: Body, path: str, limit: int) -> None:
    put(order, path, "👓" * limit)
    assert find_faults(order) == {}
    put(order, path, "x" * (limit + 1))
    assert find_faults(order) == {path: [f"Must be at most {limit} characters."]}


@pytest.mark.parametrize(("path", "low", "high"), RANGES)
def test_a_number_lies_in_its_inclusive_range(
    order: Body, path: str, low: float, high: float
) -> None:
    step = 1 if path.endswith("axis") else 0.001
    for taken in (low, low + step, high - step, high):
        put(order, path, taken)
        assert find_faults(order) == {}
    for refused in (low - step, high + step):
        put(order, path, refused)
        assert find_faults(order) == {path: [f"Must be from {low} to {high}."]}
    for refused in (float("nan"), float("inf"), float("-inf")):
        put(order, path, refused)
        assert list(find_faults(order)) == [path]


def test_an_axis_is_an_integer(order: Body) -> None:
    for refused in (90.5, 90.0):
        order["rx"]["right_eye"]["axis"] = refused
        assert find_faults(order) == {"rx.right_eye.axis": ["Not a valid integer."]}


@pytest.mark.parametrize(("path", "words", "others"), WORDS)
def test_a_word_is_one_of_its_list(order: Body, path: str, words: str, others: str) -> None:
    for taken in words.split():
        put(order, path, taken)
        assert path not in find_faults(order)
    for refused in (*others.split(), f" {taken}", ""):
        put(order, path, refused)
        assert find_faults(order) == {path: [f"Must be one of: {', '.join(words.split())}."]}


@pytest.mark.parametrize(("path", "good", "bad", "message"), FORMS)
def test_a_text_has_its_form(
    order: Body, path: str, good: list[str], bad: list[str], message: str
) -> None:
    for taken in good:
        put(order, path, taken)
        assert find_faults(order) == {}
    for refused in bad:
        put(order, path, refused)
        assert find_faults(order) == {path: [message]}


@pytest.mark.parametrize("letter", ["x", "é", "👓"])
def test_a_tracing_has_at_most_256_kib_of_utf_8(order: Body, letter: str) -> None:
    room = 256 * 1024 // len(letter.encode())
    order["frame"]["tracing"] = letter * room
    assert find_faults(order) == {}
    order["frame"]["tracing"] = letter * (room + 1)
    assert find_faults(order) == {"frame.tracing": ["Must be at most 256 KiB of UTF-8."]}


def test_no_message_repeats_what_was_sent(order: Body) -> None:
    for path in ("mode", "patient.email", "frame.material", "shipping.address.state", "lens.tint"):
        put(order, path, "{input} private")
    for path, low, _ in RANGES:
        put(order, path, low - 7777)
    found, valid = refusal(order)
    said = f"{found} {find_offer_faults(valid, OFFER)}"
    assert "private" not in said
    assert "77" not in said
