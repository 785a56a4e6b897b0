"""The rules of orders: every row of the tables, both sides of every boundary."""

import copy
import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from marshmallow import Schema, ValidationError

from orders_svc import rules
from orders_svc.rules import Offer, offer_faults

EXAMPLE = Path(__file__).parents[2] / "demo" / "order.json"
Body = dict[str, Any]

LAB = {"lab": "lab_123", "account_number": "1234567"}
REDO_DATA = {"type": "Remake", "reason": "scratched", "reference": "INV-9"}
SUBMISSION_BLOCKS = [
    ("redo", "redo_data", REDO_DATA),
    ("multi_pair", "multi_pair_data", {"reference": "TRAY-77"}),
]
OFFER = Offer(
    settings={
        "frame_handling_options": ["Frame to Come", "Lenses Only"],
        "frame_materials": ["Metal", "Zyl"],
        "mounting_options": ["Edged & Mount", "Uncuts Only"],
        "order_types": ["rx", "frame"],
        "redo_types": ["Remake", "Warranty"],
        "services": ["Roll & Polish Edges", "Add/Replace Nose Pads"],
    },
    styles={"style_789"},
    materials={"material_123"},
    colors={"color_123", "color_456"},
    coats={"coat_123", "coat_456", "coat_789"},
    tints={"Gray", "Brown"},
)

MISSING = "Missing data for required field."
BLANK = "Must not be blank."
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
NO_EMAILS = ["ada", "ada@", "@example.com", "a b@example.com", "a@b@c", "  "]
NO_STATES = ["US-NV", "nv", "AA", "AE", "AP", "UM", "FM", "Nevada", " ", ""]
ZIPS = ["89501", "00501", "89501-1234"]
NO_ZIPS = ["", "8950", "895011", "89501-", "89501-123", "89501 1234", "89501\n", "٨٩٥٠١", "K1A 0B1"]
FORMS: list[tuple[str, list[str], list[str], str]] = [
    ("patient.email", EMAILS, NO_EMAILS, "Must be an e-mail address."),
    ("shipping.address.state", STATES.split(), NO_STATES, STATE),
    ("shipping.address.postal_code", ZIPS, NO_ZIPS, ZIP),
    ("shipping.address.country", ["US"], ["CA", "us", "USA", ""], "Must be US."),
]


@pytest.fixture
def order() -> Body:
    """The example body: an rx order for the lab with every block but redo and multi pair."""
    body: Body = json.loads(EXAMPLE.read_text())
    return body


@pytest.fixture
def redo(order: Body) -> Body:
    """The example as a redo."""
    return {**order, "submission_type": "redo", "redo_data": dict(REDO_DATA)}


@pytest.fixture
def frame_order(order: Body) -> Body:
    """The least order of a type other than rx."""
    required = "handling manufacturer model material color eye_size bridge"
    return {
        **LAB,
        "mode": "submit",
        "submission_type": "new",
        "order_type": "frame",
        "patient": {"first_name": "Ada", "last_name": "Example"},
        "frame": {name: order["frame"][name] for name in required.split()},
    }


def put(body: Body, path: str, *value: Any) -> None:
    """Set the value at a dotted path; without a value, take it away."""
    *blocks, name = path.split(".")
    for block in blocks:
        body = body.setdefault(block, {})
    if value:
        body[name] = value[0]
    else:
        del body[name]


def paths(messages: Any, path: str = "") -> dict[str, list[str]]:
    """Messages by dotted path; those of a whole schema would show as `_schema`."""
    if not isinstance(messages, Mapping):
        return {path: messages}
    found: dict[str, list[str]] = {}
    for name, each in messages.items():
        found |= paths(each, f"{path}.{name}" if path else str(name))
    return found


def refusal(body: Body) -> tuple[dict[str, list[str]], Body]:
    """The faults of an order by path, and what is left of it."""
    try:
        return {}, rules.CREATE_ORDER_REQUEST.load(body)
    except ValidationError as error:
        return paths(error.messages_dict), dict(error.valid_data or {})


def faults(body: Body) -> dict[str, list[str]]:
    """The faults of an order by path."""
    return refusal(body)[0]


def offer_paths(body: Body, offer: Offer | None = OFFER) -> list[str]:
    """Where the valid part of an order is not what the lab offers."""
    return [path for path, _ in offer_faults(refusal(body)[1], offer)]


def test_the_example_order_is_taken_and_only_gains_the_country(order: Body) -> None:
    sent = copy.deepcopy(order)
    loaded = rules.CREATE_ORDER_REQUEST.load(sent)
    assert sent == order
    order["shipping"]["address"]["country"] = "US"
    assert loaded == order
    assert offer_faults(loaded, OFFER) == []


def test_an_order_of_another_type_needs_no_lens_rx_or_mounting(frame_order: Body) -> None:
    assert refusal(frame_order) == ({}, frame_order)
    assert offer_faults(frame_order, OFFER) == []


@pytest.mark.parametrize(
    ("schema", "body"),
    [
        (rules.CREATE_TOKEN_REQUEST, {"client_id": "demo-client", "client_secret": "secret"}),
        (rules.GET_ORDER_SETTINGS_REQUEST, LAB),
        (rules.LIST_MATERIALS_REQUEST, {**LAB, "style": "style_123"}),
        (rules.LIST_ADDONS_REQUEST, {**LAB, "style": "style_123", "material": "material_123"}),
    ],
)
def test_each_field_of_a_smaller_request_is_required(schema: Schema, body: dict[str, str]) -> None:
    assert schema.load(body) == body
    assert schema.validate({}) == {name: [MISSING] for name in body}
    assert schema.validate(dict.fromkeys(body, " \t\u2003")) == {name: [BLANK] for name in body}


def test_a_lens_type_is_single_vision_or_multifocal() -> None:
    schema = rules.LIST_STYLES_REQUEST
    for lens_type in ("single_vision", "multifocal"):
        assert schema.validate({**LAB, "lens_type": lens_type}) == {}
    message = "Must be one of: single_vision, multifocal."
    assert schema.validate({**LAB, "lens_type": "bifocal"}) == {"lens_type": [message]}
    assert schema.validate({}) == {name: [MISSING] for name in (*LAB, "lens_type")}


@pytest.mark.parametrize("path", REQUIRED.split())
def test_a_required_field_may_not_be_absent(order: Body, path: str) -> None:
    put(order, path)
    assert faults(order) == {path: [MISSING]}


@pytest.mark.parametrize("path", OPTIONAL.split())
def test_an_optional_field_may_be_absent(order: Body, path: str) -> None:
    put(order, path)
    assert faults(order) == {}


@pytest.mark.parametrize("path", NOT_BLANK.split())
def test_a_required_text_may_not_be_blank(redo: Body, path: str) -> None:
    for blank in ("", "   ", "\t\r\n", "\u00a0\u2003"):
        put(redo, path, blank)
        assert faults(redo) == {path: [BLANK]}


@pytest.mark.parametrize(("path", "limit"), FILLED)
def test_a_required_text_has_a_limit_in_code_points(redo: Body, path: str, limit: int) -> None:
    for taken in ("é", "👓" * limit):
        put(redo, path, taken)
        assert faults(redo) == {}
    for refused in ("", "  ", "x" * (limit + 1)):
        put(redo, path, refused)
        assert faults(redo) == {path: [f"Must be 1 to {limit} characters and not blank."]}


@pytest.mark.parametrize(("path", "limit"), LIMITED)
def test_an_optional_text_has_a_limit_in_code_points(order: Body, path: str, limit: int) -> None:
    put(order, path, "👓" * limit)
    assert faults(order) == {}
    put(order, path, "x" * (limit + 1))
    assert faults(order) == {path: [f"Must be at most {limit} characters."]}


@pytest.mark.parametrize(("path", "low", "high"), RANGES)
def test_a_number_lies_in_its_inclusive_range(
    order: Body, path: str, low: float, high: float
) -> None:
    step = 1 if path.endswith("axis") else 0.001
    for taken in (low, low + step, high - step, high):
        put(order, path, taken)
        assert faults(order) == {}
    for refused in (low - step, high + step):
        put(order, path, refused)
        assert faults(order) == {path: [f"Must be from {low} to {high}."]}
    for refused in (float("nan"), float("inf"), float("-inf")):
        put(order, path, refused)
        assert list(faults(order)) == [path]


def test_an_axis_is_an_integer(order: Body) -> None:
    for refused in (90.5, 90.0):
        order["rx"]["right_eye"]["axis"] = refused
        assert faults(order) == {"rx.right_eye.axis": ["Not a valid integer."]}


@pytest.mark.parametrize(("path", "words", "others"), WORDS)
def test_a_word_is_one_of_its_list(order: Body, path: str, words: str, others: str) -> None:
    for taken in words.split():
        put(order, path, taken)
        assert path not in faults(order)
    for refused in (*others.split(), f" {taken}", ""):
        put(order, path, refused)
        assert faults(order) == {path: [f"Must be one of: {', '.join(words.split())}."]}


@pytest.mark.parametrize(("path", "good", "bad", "message"), FORMS)
def test_a_text_has_its_form(
    order: Body, path: str, good: list[str], bad: list[str], message: str
) -> None:
    for taken in good:
        put(order, path, taken)
        assert faults(order) == {}
    for refused in bad:
        put(order, path, refused)
        assert faults(order) == {path: [message]}


@pytest.mark.parametrize("letter", ["x", "é", "👓"])
def test_a_tracing_has_at_most_256_kib_of_utf_8(order: Body, letter: str) -> None:
    room = 256 * 1024 // len(letter.encode())
    order["frame"]["tracing"] = letter * room
    assert faults(order) == {}
    order["frame"]["tracing"] = letter * (room + 1)
    assert faults(order) == {"frame.tracing": ["Must be at most 256 KiB of UTF-8."]}


@pytest.mark.parametrize("pair", [("cylinder", "axis"), ("add", "seg_height")])
@pytest.mark.parametrize("eye", ["left_eye", "right_eye"])
def test_one_of_a_pair_wants_the_other(order: Body, eye: str, pair: tuple[str, str]) -> None:
    for present, absent in (pair, pair[::-1]):
        order["rx"] = {eye: {"sphere": 0.0, present: 1}}
        assert faults(order) == {f"rx.{eye}.{absent}": [f"Required with {present}."]}
        order["rx"][eye][absent] = 1
        assert faults(order) == {}


def test_a_number_out_of_range_is_still_one_of_a_pair(order: Body) -> None:
    order["rx"]["right_eye"] |= {"cylinder": -21.0, "seg_height": 51.0}
    order["rx"]["left_eye"]["cylinder"] = 0.0
    assert faults(order) == {
        "rx.right_eye.cylinder": ["Must be from -20 to 20."],
        "rx.right_eye.seg_height": ["Must be from 0.5 to 50."],
        "rx.left_eye.axis": ["Required with cylinder."],
    }


def test_an_rx_wants_an_eye(order: Body) -> None:
    order["rx"] = {}
    assert faults(order) == {"rx": ["Must have left_eye, right_eye or both."]}


def test_a_tint_wants_its_instruction_and_the_other_way_round(order: Body) -> None:
    put(order, "lens.tint_instruction")
    assert faults(order) == {"lens.tint_instruction": ["Required with tint."]}
    put(order, "lens.tint")
    assert faults(order) == {}
    put(order, "lens.tint_instruction", "20% solid")
    assert faults(order) == {"lens.tint_instruction": ["Only with a tint."]}


def test_each_repeat_of_a_coat_is_named(order: Body) -> None:
    order["lens"]["coats"] = ["coat_1", "coat_2", "coat_1", "coat_3", "coat_1", "coat_2"]
    repeat = ["Must not repeat a coat."]
    assert faults(order) == {f"lens.coats.{index}": repeat for index in (2, 4, 5)}


@pytest.mark.parametrize("mode", ["draft", "submit"])
@pytest.mark.parametrize("name", ["mounting_option", "rx"])
def test_an_rx_order_wants_its_parts(order: Body, mode: str, name: str) -> None:
    order["mode"] = mode
    del order[name]
    assert faults(order) == {name: ["Required with order_type rx."]}


def test_only_a_submitted_rx_order_wants_a_lens(order: Body) -> None:
    del order["lens"]
    assert faults(order) == {"lens": ["Required with order_type rx and mode submit."]}
    assert faults({**order, "mode": "draft"}) == {}


def test_a_lens_on_a_draft_is_checked(order: Body) -> None:
    order |= {"mode": "draft", "lens": {"style": "style_456", "color": " "}}
    assert faults(order) == {"lens.material": [MISSING], "lens.color": [BLANK]}
    assert offer_paths(order) == ["lens.style"]


@pytest.mark.parametrize(
    ("block", "inside"),
    [("lens", {}), ("lens", {"style": "s"}), ("rx", {}), ("rx", {"left_eye": {}})],
)
def test_an_rx_block_in_another_order_is_refused_as_a_whole(
    frame_order: Body, block: str, inside: Body
) -> None:
    sent = {**frame_order, block: inside, "mounting_option": "Uncuts Only"}
    assert faults(sent) == {block: ["Only with order_type rx."]}
    assert offer_paths(sent) == []


@pytest.mark.parametrize(("word", "block", "inside"), SUBMISSION_BLOCKS)
def test_a_submission_type_wants_its_block(
    frame_order: Body, word: str, block: str, inside: dict[str, str]
) -> None:
    frame_order["submission_type"] = word
    assert faults(frame_order) == {block: [f"Required with submission_type {word}."]}
    assert faults({**frame_order, block: {}}) == {f"{block}.{name}": [MISSING] for name in inside}
    assert faults({**frame_order, block: inside}) == {}
    for refused in (" ", "x" * 51):
        message = "Must be 1 to 50 characters and not blank."
        sent = {**frame_order, block: {**inside, "reference": refused}}
        assert faults(sent) == {f"{block}.reference": [message]}


@pytest.mark.parametrize(("word", "block", "inside"), SUBMISSION_BLOCKS)
def test_a_block_of_another_submission_type_is_refused_as_a_whole(
    frame_order: Body, word: str, block: str, inside: dict[str, str]
) -> None:
    for other in {"new", "redo", "multi_pair"} - {word}:
        own = {name: each for sent, name, each in SUBMISSION_BLOCKS if sent == other}
        for wrong in (inside, {}, {"type": "Other", "reference": "x" * 51}):
            sent = {**frame_order, **own, "submission_type": other, block: wrong}
            assert faults(sent) == {block: [f"Only with submission_type {word}."]}
            assert offer_paths(sent) == []


def test_a_wrong_word_neither_calls_for_blocks_nor_refuses_them(redo: Body) -> None:
    redo |= {"mode": "save", "submission_type": "again", "order_type": " "}
    del redo["lens"]
    assert set(faults(redo)) == {"mode", "submission_type", "order_type"}


def test_all_faults_are_told_at_once() -> None:
    body = {
        "mode": "submit",
        "submission_type": "redo",
        "order_type": "rx",
        "lab": "lab_123",
        "patient": {"first_name": " ", "email": "ada"},
        "lens": {"style": "s", "coats": ["a", "a"], "tint": "Gray"},
        "frame": {"handling": "Frame to Come", "material": "gold", "eye_size": 9.0, "wrap": 41.0},
        "rx": {
            "left_eye": {"cylinder": 21.0, "add": 2.0},
            "right_eye": {"sphere": 31.0, "axis": 0, "vertical_prism": {"direction": "in"}},
        },
        "special_instructions": "x" * 1001,
        "multi_pair_data": {},
        "shipping": {"name": "x" * 51, "address": {"state": "US-NV", "country": "CA"}},
    }
    expected = """
        account_number mounting_option redo_data multi_pair_data special_instructions
        patient.first_name patient.last_name patient.email
        lens.material lens.color lens.coats.1 lens.tint_instruction
        frame.manufacturer frame.model frame.material frame.color frame.eye_size frame.bridge
        frame.wrap rx.left_eye.sphere rx.left_eye.cylinder rx.left_eye.axis rx.left_eye.seg_height
        rx.right_eye.sphere rx.right_eye.axis rx.right_eye.cylinder
        rx.right_eye.vertical_prism.power rx.right_eye.vertical_prism.direction
        shipping.name shipping.address.line1 shipping.address.city shipping.address.state
        shipping.address.postal_code shipping.address.country
    """
    assert set(faults(body)) == set(expected.split())


def test_no_message_repeats_what_was_sent(order: Body) -> None:
    for path in ("mode", "patient.email", "frame.material", "shipping.address.state", "lens.tint"):
        put(order, path, "{input} private")
    for path, low, _ in RANGES:
        put(order, path, low - 7777)
    found, valid = refusal(order)
    said = f"{found} {offer_faults(valid, OFFER)}"
    assert "private" not in said
    assert "77" not in said


def test_without_an_offer_only_the_lab_is_named(order: Body) -> None:
    order |= {"mounting_option": "Glue", "services": ["Polish"]}
    assert offer_paths(order, None) == ["lab"]
    for name in LAB:
        assert offer_paths({**order, name: " "}, None) == []


@pytest.mark.parametrize(
    ("path", "option", "name"),
    [
        ("order_type", "frame", "order_types"),
        ("mounting_option", "Uncuts Only", "mounting_options"),
        ("frame.handling", "Lenses Only", "frame_handling_options"),
        ("redo_data.type", "Warranty", "redo_types"),
    ],
)
def test_an_option_is_one_of_the_lab(redo: Body, path: str, option: str, name: str) -> None:
    put(redo, path, option)
    assert offer_faults(redo, OFFER) == []
    message = f"Must be one of the lab's {name}: {', '.join(OFFER.settings[name])}."
    for refused in ("Other", option.upper()):
        put(redo, path, refused)
        assert offer_faults(redo, OFFER) == [(path, message)]


def test_each_service_is_one_of_the_lab(order: Body) -> None:
    order["services"] = ["Polish", "Roll & Polish Edges", "", "Add/Replace Nose Pads"]
    assert offer_paths(order) == ["services.0", "services.2"]


def test_every_lab_takes_rx(order: Body) -> None:
    offer = replace(OFFER, settings={**OFFER.settings, "order_types": [], "services": []})
    message = "Must be one of the lab's services: (none)."
    assert offer_faults(order, offer) == [("services.0", message)]


@pytest.mark.parametrize(
    ("change", "found"),
    [
        ({"color": "c"}, "lens.color"),
        ({"tint": "Pink"}, "lens.tint"),
        ({"coats": ["coat_1", "coat_123", "coat_2"]}, "lens.coats.0 lens.coats.2"),
        ({"color": "c", "coats": ["c"], "tint": "t"}, "lens.color lens.coats.0 lens.tint"),
        ({"material": "material_456"}, "lens.material"),
        ({"material": "material_456", "color": "c", "tint": "t"}, "lens.material"),
        ({"style": "style_456"}, "lens.style"),
        ({"style": "style_456", "material": "m", "coats": ["c"]}, "lens.style"),
        ({"style": " ", "material": "m", "coats": ["c"]}, ""),
        ({"material": " ", "color": "c", "tint": "t"}, ""),
    ],
)
def test_a_lens_is_one_chain_and_its_first_broken_link_is_named(
    order: Body, change: Body, found: str
) -> None:
    order["lens"] |= change
    assert offer_paths(order) == found.split()


def test_the_valid_part_of_a_refused_order_is_judged_too(order: Body) -> None:
    order |= {"mode": "save", "mounting_option": "Glue", "services": ["Polish"]}
    order["lens"] |= {"color": " ", "tint": "Pink", "coats": ["coat_1", "coat_123"]}
    order["frame"] |= {"eye_size": 9.0, "handling": "Post"}
    assert set(faults(order)) == {"mode", "lens.color", "frame.eye_size"}
    expected = "mounting_option frame.handling services.0 lens.coats.0 lens.tint"
    assert offer_paths(order) == expected.split()
    assert offer_paths({}) == []


def test_the_words_of_lab_status() -> None:
    words = "draft submitted in_progress shipped cancelled on_hold"
    assert " ".join(rules.LabStatus) == words
