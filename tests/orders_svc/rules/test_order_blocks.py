"""The rules of an order's parts: which need which, and which belong to which order."""

import pytest

from tests.orders_svc.bodies import (
    BLANK,
    MISSING,
    SUBMISSION_BLOCKS,
    Body,
    find_faults,
    find_offer_paths,
    put,
)


@pytest.mark.parametrize("pair", [("cylinder", "axis"), ("add", "seg_height")])
@pytest.mark.parametrize("eye", ["left_eye", "right_eye"])
def test_one_of_a_pair_wants_the_other(order: Body, eye: str, pair: tuple[str, str]) -> None:
    for present, absent in (pair, pair[::-1]):
        order["rx"] = {eye: {"sphere": 0.0, present: 1}}
        assert find_faults(order) == {f"rx.{eye}.{absent}": [f"Required with {present}."]}
        order["rx"][eye][absent] = 1
        assert find_faults(order) == {}


def test_a_number_out_of_range_is_still_one_of_a_pair(order: Body) -> None:
    order["rx"]["right_eye"] |= {"cylinder": -21.0, "seg_height": 51.0}
    order["rx"]["left_eye"]["cylinder"] = 21.0
    assert find_faults(order) == {
        "rx.right_eye.cylinder": ["Must be from -20 to 20."],
        "rx.right_eye.seg_height": ["Must be from 0.5 to 50."],
        "rx.left_eye.cylinder": ["Must be from -20 to 20."],
        "rx.left_eye.axis": ["Required with cylinder."],
    }


def test_an_rx_wants_an_eye(order: Body) -> None:
    order["rx"] = {}
    assert find_faults(order) == {"rx": ["Must have left_eye, right_eye or both."]}


def test_a_tint_wants_its_instruction_and_the_other_way_round(order: Body) -> None:
    put(order, "lens.tint_instruction")
    assert find_faults(order) == {"lens.tint_instruction": ["Required with tint."]}
    put(order, "lens.tint")
    assert find_faults(order) == {}
    put(order, "lens.tint_instruction", "20% solid")
    assert find_faults(order) == {"lens.tint_instruction": ["Only with a tint."]}


def test_each_repeat_of_a_coat_is_named(order: Body) -> None:
    order["lens"]["coats"] = ["coat_1", "coat_2", "coat_1", "coat_3", "coat_1", "coat_2"]
    repeat = ["Must not repeat a coat."]
    assert find_faults(order) == {f"lens.coats.{index}": repeat for index in (2, 4, 5)}


@pytest.mark.parametrize("mode", ["draft", "submit"])
@pytest.mark.parametrize("name", ["mounting_option", "rx"])
def test_an_rx_order_wants_its_parts(order: Body, mode: str, name: str) -> None:
    order["mode"] = mode
    del order[name]
    assert find_faults(order) == {name: ["Required with order_type rx."]}


def test_only_a_submitted_rx_order_wants_a_lens(order: Body) -> None:
    del order["lens"]
    assert find_faults(order) == {"lens": ["Required to submit an order of type rx."]}
    assert find_faults({**order, "mode": "draft"}) == {}


def test_a_lens_on_a_draft_is_checked(order: Body) -> None:
    order |= {"mode": "draft", "lens": {"style": "style_456", "color": " "}}
    assert find_faults(order) == {"lens.material": [MISSING], "lens.color": [BLANK]}
    assert find_offer_paths(order) == ["lens.style"]


@pytest.mark.parametrize(
    ("block", "inside"),
    [("lens", {}), ("lens", {"style": "s"}), ("rx", {}), ("rx", {"left_eye": {}})],
)
def test_an_rx_block_in_another_order_is_refused_as_a_whole(
    frame_order: Body, block: str, inside: Body
) -> None:
    sent = {**frame_order, block: inside, "mounting_option": "Uncuts Only"}
    assert find_faults(sent) == {block: ["Only with order_type rx."]}
    assert find_offer_paths(sent) == []


@pytest.mark.parametrize(("word", "block", "inside"), SUBMISSION_BLOCKS)
def test_a_submission_type_wants_its_block(
    frame_order: Body, word: str, block: str, inside: dict[str, str]
) -> None:
    frame_order["submission_type"] = word
    assert find_faults(frame_order) == {block: [f"Required with submission_type {word}."]}
    assert find_faults({**frame_order, block: {}}) == {
        f"{block}.{name}": [MISSING] for name in inside
    }
    assert find_faults({**frame_order, block: inside}) == {}
    for refused in (" ", "x" * 51):
        message = "Must be 1 to 50 characters and not blank."
        sent = {**frame_order, block: {**inside, "reference": refused}}
        assert find_faults(sent) == {f"{block}.reference": [message]}


@pytest.mark.parametrize(("word", "block", "inside"), SUBMISSION_BLOCKS)
def test_a_block_of_another_submission_type_is_refused_as_a_whole(
    frame_order: Body, word: str, block: str, inside: dict[str, str]
) -> None:
    for other in {"new", "redo", "multi_pair"} - {word}:
        own = {name: each for sent, name, each in SUBMISSION_BLOCKS if sent == other}
        for wrong in (inside, {}, {"type": "Other", "reference": "x" * 51}):
            sent = {**frame_order, **own, "submission_type": other, block: wrong}
            assert find_faults(sent) == {block: [f"Only with submission_type {word}."]}
            assert find_offer_paths(sent) == []


def test_a_wrong_word_neither_calls_for_blocks_nor_refuses_them(redo: Body) -> None:
    redo |= {"mode": "save", "submission_type": "again", "order_type": " "}
    del redo["lens"]
    assert set(find_faults(redo)) == {"mode", "submission_type", "order_type"}


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
    assert set(find_faults(body)) == set(expected.split())
