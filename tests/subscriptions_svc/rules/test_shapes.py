"""The shape of a solicitation."""

from typing import Any

import pytest
from marshmallow import ValidationError

from subscriptions_svc.rules import shoppers, subscriptions
from tests.subscriptions_svc.bodies import (
    EXAMPLE,
    FIRST_ITEM_PATH,
    LEFT_LENS_PATH,
    TODAY,
    Document,
    build_cart,
    build_lens,
    build_material,
    build_package,
    change_example,
    copy_example,
    find_meaning_faults,
    find_shape_faults,
)


def test_the_example_loads_as_it_is() -> None:
    assert subscriptions.CREATE_SUBSCRIPTION.load(copy_example()) == EXAMPLE


def test_the_example_means_nothing_wrong() -> None:
    assert find_meaning_faults(copy_example()) == []


@pytest.mark.parametrize(
    "path",
    [
        "merchant",
        "merchant.id",
        "merchant.store_ref",
        "reference",
        "cart_items",
        f"{FIRST_ITEM_PATH}.type",
        f"{FIRST_ITEM_PATH}.name",
        f"{FIRST_ITEM_PATH}.quantity",
        f"{FIRST_ITEM_PATH}.price_with_tax",
        f"{FIRST_ITEM_PATH}.items",
        f"{LEFT_LENS_PATH}.type",
        f"{LEFT_LENS_PATH}.reference",
        f"{LEFT_LENS_PATH}.name",
        f"{LEFT_LENS_PATH}.quantity",
        f"{LEFT_LENS_PATH}.price_with_tax",
        f"{LEFT_LENS_PATH}.box_count",
        f"{LEFT_LENS_PATH}.product_data",
        f"{LEFT_LENS_PATH}.product_data.eye",
    ],
)
def test_a_required_field_is_missed(path: str) -> None:
    assert find_shape_faults(change_example(path, ...)) == [path]


@pytest.mark.parametrize(
    "path",
    [
        "operator_ref",
        "given_names",
        "surnames",
        "mobile_phone",
        "email",
        "date_of_birth",
        "nin",
        "nin_control",
        "address",
        "postal_code",
        "city",
        f"{FIRST_ITEM_PATH}.reference",
        f"{LEFT_LENS_PATH}.subscription_price",
        f"{LEFT_LENS_PATH}.exchange_cycle",
    ],
)
def test_an_optional_field_is_not_missed(path: str) -> None:
    document = change_example(path, ...)
    assert find_shape_faults(document) == []
    assert find_meaning_faults(document) == []


def test_the_reference_of_a_material_is_missed() -> None:
    item = build_material()
    del item["reference"]
    assert find_shape_faults(build_cart(item)) == [f"{FIRST_ITEM_PATH}.reference"]


@pytest.mark.parametrize(
    "path",
    [
        "merchant.id",
        "merchant.store_ref",
        "reference",
        f"{FIRST_ITEM_PATH}.name",
        f"{LEFT_LENS_PATH}.reference",
    ],
)
@pytest.mark.parametrize("text", [" ", "\t\u00a0", "x" * 256])
def test_a_required_text_that_is_blank_or_too_long_is_refused(path: str, text: str) -> None:
    assert find_shape_faults(change_example(path, text)) == [path]


@pytest.mark.parametrize("path", ["reference", "city", "email", f"{LEFT_LENS_PATH}.name"])
def test_a_text_of_255_characters_is_taken_as_it_is(path: str) -> None:
    assert find_shape_faults(change_example(path, "ñ" * 255)) == []
    assert find_shape_faults(change_example(path, "ñ" * 256)) == [path]


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (f"{FIRST_ITEM_PATH}.type", "subscription"),
        (f"{FIRST_ITEM_PATH}.type", "Subscription_Package"),
        (f"{LEFT_LENS_PATH}.type", "glasses"),
        (f"{LEFT_LENS_PATH}.product_data.eye", "LEFT"),
        (f"{LEFT_LENS_PATH}.product_data.eye", "none"),
        (f"{LEFT_LENS_PATH}.product_data.side", "left"),
        ("merchant.country", "ES"),
        ("colour", "red"),
        (f"{LEFT_LENS_PATH}.colour", "red"),
        ("cart_items", []),
        (f"{FIRST_ITEM_PATH}.items", []),
    ],
)
def test_an_unknown_word_or_field_or_an_empty_list_is_refused(path: str, value: Any) -> None:
    assert find_shape_faults(change_example(path, value)) == [path]


@pytest.mark.parametrize(
    "path",
    [f"{FIRST_ITEM_PATH}.quantity", f"{LEFT_LENS_PATH}.quantity", f"{LEFT_LENS_PATH}.box_count"],
)
@pytest.mark.parametrize("count", [0, -1, 10**6 + 1, 2**31 - 1])
def test_a_count_that_is_not_positive_or_not_sane_is_refused(path: str, count: int) -> None:
    assert find_shape_faults(change_example(path, count)) == [path]


@pytest.mark.parametrize("count", [1, 10**6])
def test_a_count_may_be_from_one_to_a_million(count: int) -> None:
    assert find_shape_faults(change_example(f"{LEFT_LENS_PATH}.box_count", count)) == []
    assert find_shape_faults(build_cart(build_material(quantity=count))) == []


@pytest.mark.parametrize("path", [f"{LEFT_LENS_PATH}.quantity", f"{LEFT_LENS_PATH}.price_with_tax"])
@pytest.mark.parametrize("value", [1.5, "1", None])
def test_a_number_that_is_no_integer_is_refused(path: str, value: Any) -> None:
    assert find_shape_faults(change_example(path, value)) == [path]


@pytest.mark.parametrize(("months", "taken"), [(-1, False), (0, True), (1200, True), (1201, False)])
def test_an_exchange_cycle_may_be_zero_but_not_less(months: int, taken: bool) -> None:
    path = f"{LEFT_LENS_PATH}.exchange_cycle"
    assert find_shape_faults(change_example(path, months)) == ([] if taken else [path])


def test_the_default_exchange_cycle_of_a_contact_lens_is_twelve_months() -> None:
    loaded = subscriptions.CREATE_SUBSCRIPTION.load(
        build_cart(
            build_package(
                build_lens("left"), build_lens("right", exchange_cycle=0), build_material()
            )
        )
    )
    assert [item.get("exchange_cycle") for item in loaded["cart_items"][0]["items"]] == [
        12,
        0,
        None,
    ]
    assert "exchange_cycle" not in loaded["cart_items"][0]


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("box_count", 4),
        ("box_count", 0),
        ("exchange_cycle", 12),
        ("product_data", {"eye": "left"}),
        ("product_data", {}),
    ],
)
def test_a_field_of_contact_lenses_is_refused_on_every_other_type(field: str, value: Any) -> None:
    assert find_shape_faults(build_cart(build_material(**{field: value}))) == [
        f"{FIRST_ITEM_PATH}.{field}"
    ]
    assert find_shape_faults(build_cart(build_package(build_lens("left"), **{field: value}))) == [
        f"{FIRST_ITEM_PATH}.{field}"
    ]
    assert find_shape_faults(build_cart(build_package(build_material(**{field: value})))) == [
        f"{LEFT_LENS_PATH}.{field}"
    ]


@pytest.mark.parametrize("items", [[build_material()], [{"type": "wrong"}]])
def test_items_are_refused_outside_a_package(items: list[Document]) -> None:
    assert find_shape_faults(build_cart(build_material(items=items))) == [
        f"{FIRST_ITEM_PATH}.items"
    ]
    assert find_shape_faults(build_cart(build_lens("left", items=items))) == [
        f"{FIRST_ITEM_PATH}.items"
    ]
    assert find_shape_faults(build_cart(build_package(build_material(items=items)))) == [
        f"{LEFT_LENS_PATH}.items"
    ]


def test_a_package_inside_a_package_is_refused() -> None:
    assert find_shape_faults(build_cart(build_package(build_package(build_material())))) == [
        f"{LEFT_LENS_PATH}.type"
    ]
    assert find_shape_faults(
        build_cart(build_package(build_package(build_package(build_material()))))
    ) == [f"{LEFT_LENS_PATH}.type"]
    without_items = build_package(build_material())
    del without_items["items"]
    assert find_shape_faults(build_cart(build_package(without_items))) == [f"{LEFT_LENS_PATH}.type"]


def test_a_list_holds_a_hundred_items_and_no_more() -> None:
    hundred = [build_material()] * 100
    assert find_shape_faults(build_cart(*hundred)) == []
    assert find_shape_faults(build_cart(build_package(*hundred))) == []
    assert find_shape_faults(build_cart(*hundred, build_material())) == ["cart_items"]
    assert find_shape_faults(build_cart(build_package(*hundred, build_material()))) == [
        f"{FIRST_ITEM_PATH}.items"
    ]


@pytest.mark.parametrize(
    "text",
    [
        "[]",
        ' [ {"code": "X", "amount": 10} ] ',
        "[null, 1.5, [[]]]",
        "[" + "9" * 5000 + "]",
        '["' + "x" * 19_996 + '"]',
    ],
)
def test_discounts_are_a_json_array_kept_as_text(text: str) -> None:
    assert (
        subscriptions.CREATE_SUBSCRIPTION.load(change_example("discounts", text))["discounts"]
        == text
    )


@pytest.mark.parametrize(
    "text",
    [
        "{}",
        "null",
        "1",
        '"[]"',
        "[",
        "[1,]",
        "[NaN]",
        "[-Infinity]",
        "[] []",
        "['a']",
        "[" * 19_999,
    ],
)
def test_discounts_of_any_other_form_are_refused(text: str) -> None:
    assert find_shape_faults(change_example("discounts", text)) == ["discounts"]


def test_discounts_of_more_than_twenty_thousand_characters_are_refused() -> None:
    assert find_shape_faults(change_example("discounts", '["' + "x" * 19_997 + '"]')) == [
        "discounts"
    ]


def test_all_faults_of_shape_are_listed_at_once() -> None:
    document = build_cart(
        build_material(quantity=0, box_count=1),
        {"type": "contact_lens_subscription", "box_count": 0},
        build_package(build_lens("up", quantity=-1), {"type": "wrong"}),
    )
    del document["merchant"]
    assert find_shape_faults(document | {"reference": " ", "surplus": 1}) == [
        "cart_items.0.box_count",
        "cart_items.0.quantity",
        "cart_items.1.box_count",
        "cart_items.1.name",
        "cart_items.1.price_with_tax",
        "cart_items.1.product_data",
        "cart_items.1.quantity",
        "cart_items.1.reference",
        "cart_items.2.items.0.product_data.eye",
        "cart_items.2.items.0.quantity",
        "cart_items.2.items.1.name",
        "cart_items.2.items.1.price_with_tax",
        "cart_items.2.items.1.quantity",
        "cart_items.2.items.1.type",
        "merchant",
        "reference",
        "surplus",
    ]


def test_no_message_repeats_what_was_sent() -> None:
    document = change_example("discounts", "secret") | {"reference": "secret" * 50}
    document["cart_items"] = [build_material(type="secret"), build_package(build_lens("secret"))]
    with pytest.raises(ValidationError) as refusal:
        subscriptions.CREATE_SUBSCRIPTION.load(document)
    told = str(refusal.value.messages)
    values = {
        "email": "secret",
        "date_of_birth": "secret",
        "nin": "secret",
        "nin_control": "secret",
    }
    told += str(
        [
            *shoppers.find_shopper_faults(values, TODAY, "ES"),
            *shoppers.find_identity_faults(values, "ES"),
        ]
    )
    assert "secret" not in told
