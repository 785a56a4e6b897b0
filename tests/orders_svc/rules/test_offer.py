"""What an order may ask of its lab."""

from dataclasses import replace

import pytest

from orders_svc.rules.offer import find_offer_faults
from tests.orders_svc.bodies import LAB, OFFER, Body, find_faults, find_offer_paths, put


def test_without_an_offer_only_the_lab_is_named(order: Body) -> None:
    order |= {"mounting_option": "Glue", "services": ["Polish"]}
    assert find_offer_paths(order, None) == ["lab"]
    for name in LAB:
        assert find_offer_paths({**order, name: " "}, None) == []


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
    assert find_offer_faults(redo, OFFER) == []
    message = f"Must be one of the lab's {name}: {', '.join(OFFER.settings[name])}."
    for refused in ("Other", option.upper()):
        put(redo, path, refused)
        assert find_offer_faults(redo, OFFER) == [(path, message)]


def test_each_service_is_one_of_the_lab(order: Body) -> None:
    order["services"] = ["Polish", "Roll & Polish Edges", "", "Add/Replace Nose Pads"]
    assert find_offer_paths(order) == ["services.0", "services.2"]


@pytest.mark.parametrize("path", ["mounting_option", "frame.handling", "redo_data.type"])
def test_rx_is_only_an_order_type(redo: Body, path: str) -> None:
    put(redo, path, "rx")
    redo["services"] = ["rx"]
    assert set(find_offer_paths(redo)) == {path, "services.0"}


def test_every_lab_takes_rx(order: Body) -> None:
    offer = replace(OFFER, settings={**OFFER.settings, "order_types": [], "services": []})
    message = "Must be one of the lab's services: (none)."
    assert find_offer_faults(order, offer) == [("services.0", message)]


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
    assert find_offer_paths(order) == found.split()


def test_the_valid_part_of_a_refused_order_is_judged_too(order: Body) -> None:
    order |= {"mode": "save", "mounting_option": "Glue", "services": ["Polish"]}
    order["lens"] |= {"color": " ", "tint": "Pink", "coats": ["coat_1", "coat_123"]}
    order["frame"] |= {"eye_size": 9.0, "handling": "Post"}
    assert set(find_faults(order)) == {"mode", "lens.color", "frame.eye_size"}
    expected = "mounting_option frame.handling services.0 lens.coats.0 lens.tint"
    assert find_offer_paths(order) == expected.split()
    assert find_offer_paths({}) == []
