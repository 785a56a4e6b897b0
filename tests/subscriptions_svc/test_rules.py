"""The rules of subscriptions, row by row."""

import json
from copy import deepcopy
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from marshmallow import Schema, ValidationError

from subscriptions_svc import rules

Document = dict[str, Any]
TODAY = date(2026, 3, 1)
EXAMPLE = json.loads(
    (Path(__file__).parents[2] / "demo" / "subscription.json").read_text(encoding="utf-8")
)


def example() -> Document:
    return deepcopy(EXAMPLE)


def changed(path: str, value: Any) -> Document:
    """The example with one field set, or taken away by `...`."""
    document = example()
    *way, last = (int(step) if step.isdigit() else step for step in path.split("."))
    place: Any = document
    for step in way:
        place = place[step]
    if value is ...:
        del place[last]
    else:
        place[last] = value
    return document


def material(**fields: Any) -> Document:
    item = {
        "type": "material_subscription",
        "reference": "SUN-1",
        "name": "Sunglasses",
        "quantity": 1,
        "price_with_tax": 35000,
    }
    return item | fields


def lens(eye: str, **fields: Any) -> Document:
    item = {
        "type": "contact_lens_subscription",
        "reference": f"CL-{eye}",
        "name": "Contact lens",
        "quantity": 1,
        "price_with_tax": 100,
        "box_count": 4,
        "product_data": {"eye": eye},
    }
    return item | fields


def package(*items: Document, **fields: Any) -> Document:
    whole = {
        "type": "subscription_package",
        "name": "Package",
        "quantity": 1,
        "price_with_tax": sum(
            item.get("price_with_tax", 0) * item.get("quantity", 1) for item in items
        ),
        "items": list(items),
    }
    return whole | fields


def cart(*items: Document) -> Document:
    return example() | {"cart_items": list(items)}


def flat(messages: Any, path: str = "") -> list[str]:
    if isinstance(messages, list):
        return [path] * len(messages)
    return [
        found
        for key, each in messages.items()
        for found in flat(each, f"{path}.{key}" if path else str(key))
    ]


def shape(document: Document, schema: Schema = rules.CREATE_SUBSCRIPTION) -> list[str]:
    """The path of each fault, sorted."""
    try:
        schema.load(document)
    except ValidationError as error:
        return sorted(flat(error.messages_dict))
    return []


def meaning(document: Document, country: str = "ES") -> list[str]:
    values = rules.CREATE_SUBSCRIPTION.load(document)
    faults = [
        *rules.store_faults(values, {"tienda_moderna"}),
        *rules.shopper_faults(values, TODAY),
        *rules.identity_faults(values, country),
        *rules.price_faults(values),
        *rules.eye_faults(values),
    ]
    return sorted(path for path, _ in faults)


FIRST = "cart_items.0"
LEFT = "cart_items.0.items.0"
RIGHT = "cart_items.0.items.1"


def test_the_example_loads_as_it_is() -> None:
    assert rules.CREATE_SUBSCRIPTION.load(example()) == EXAMPLE


def test_the_example_means_nothing_wrong() -> None:
    assert meaning(example()) == []


@pytest.mark.parametrize(
    "path",
    [
        "merchant",
        "merchant.id",
        "merchant.store_ref",
        "reference",
        "cart_items",
        f"{FIRST}.type",
        f"{FIRST}.name",
        f"{FIRST}.quantity",
        f"{FIRST}.price_with_tax",
        f"{FIRST}.items",
        f"{LEFT}.type",
        f"{LEFT}.reference",
        f"{LEFT}.name",
        f"{LEFT}.quantity",
        f"{LEFT}.price_with_tax",
        f"{LEFT}.box_count",
        f"{LEFT}.product_data",
        f"{LEFT}.product_data.eye",
    ],
)
def test_a_required_field_is_missed(path: str) -> None:
    assert shape(changed(path, ...)) == [path]


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
        f"{FIRST}.reference",
        f"{LEFT}.subscription_price",
        f"{LEFT}.exchange_cycle",
    ],
)
def test_an_optional_field_is_not_missed(path: str) -> None:
    document = changed(path, ...)
    assert shape(document) == []
    assert meaning(document) == []


def test_the_reference_of_a_material_is_missed() -> None:
    item = material()
    del item["reference"]
    assert shape(cart(item)) == [f"{FIRST}.reference"]


@pytest.mark.parametrize(
    "path",
    ["merchant.id", "merchant.store_ref", "reference", f"{FIRST}.name", f"{LEFT}.reference"],
)
@pytest.mark.parametrize("text", [" ", "\t\u00a0", "x" * 256])
def test_a_required_text_that_is_blank_or_too_long_is_refused(path: str, text: str) -> None:
    assert shape(changed(path, text)) == [path]


@pytest.mark.parametrize("path", ["reference", "city", "email", f"{LEFT}.name"])
def test_a_text_of_255_characters_is_taken_as_it_is(path: str) -> None:
    assert shape(changed(path, "ñ" * 255)) == []
    assert shape(changed(path, "ñ" * 256)) == [path]


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (f"{FIRST}.type", "subscription"),
        (f"{FIRST}.type", "Subscription_Package"),
        (f"{LEFT}.type", "glasses"),
        (f"{LEFT}.product_data.eye", "LEFT"),
        (f"{LEFT}.product_data.eye", "none"),
        (f"{LEFT}.product_data.side", "left"),
        ("merchant.country", "ES"),
        ("colour", "red"),
        (f"{LEFT}.colour", "red"),
        ("cart_items", []),
        (f"{FIRST}.items", []),
    ],
)
def test_an_unknown_word_or_field_or_an_empty_list_is_refused(path: str, value: Any) -> None:
    assert shape(changed(path, value)) == [path]


@pytest.mark.parametrize("path", [f"{FIRST}.quantity", f"{LEFT}.quantity", f"{LEFT}.box_count"])
@pytest.mark.parametrize("count", [0, -1, 10**6 + 1, 2**31 - 1])
def test_a_count_that_is_not_positive_or_not_sane_is_refused(path: str, count: int) -> None:
    assert shape(changed(path, count)) == [path]


@pytest.mark.parametrize("count", [1, 10**6])
def test_a_count_may_be_from_one_to_a_million(count: int) -> None:
    assert shape(changed(f"{LEFT}.box_count", count)) == []
    assert shape(cart(material(quantity=count))) == []


@pytest.mark.parametrize("path", [f"{LEFT}.quantity", f"{LEFT}.price_with_tax"])
@pytest.mark.parametrize("value", [1.5, "1", None])
def test_a_number_that_is_no_integer_is_refused(path: str, value: Any) -> None:
    assert shape(changed(path, value)) == [path]


@pytest.mark.parametrize(("months", "taken"), [(-1, False), (0, True), (1200, True), (1201, False)])
def test_an_exchange_cycle_may_be_zero_but_not_less(months: int, taken: bool) -> None:
    path = f"{LEFT}.exchange_cycle"
    assert shape(changed(path, months)) == ([] if taken else [path])


def test_the_exchange_cycle_of_a_contact_lens_is_twelve_months_unless_told() -> None:
    loaded = rules.CREATE_SUBSCRIPTION.load(
        cart(package(lens("left"), lens("right", exchange_cycle=0), material()))
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
    assert shape(cart(material(**{field: value}))) == [f"{FIRST}.{field}"]
    assert shape(cart(package(lens("left"), **{field: value}))) == [f"{FIRST}.{field}"]
    assert shape(cart(package(material(**{field: value})))) == [f"{LEFT}.{field}"]


@pytest.mark.parametrize("items", [[material()], [{"type": "wrong"}]])
def test_items_are_refused_outside_a_package(items: list[Document]) -> None:
    assert shape(cart(material(items=items))) == [f"{FIRST}.items"]
    assert shape(cart(lens("left", items=items))) == [f"{FIRST}.items"]
    assert shape(cart(package(material(items=items)))) == [f"{LEFT}.items"]


def test_a_package_inside_a_package_is_refused() -> None:
    assert shape(cart(package(package(material())))) == [f"{LEFT}.type"]
    assert shape(cart(package(package(package(material()))))) == [f"{LEFT}.type"]
    without_items = package(material())
    del without_items["items"]
    assert shape(cart(package(without_items))) == [f"{LEFT}.type"]


def test_a_list_holds_a_hundred_items_and_no_more() -> None:
    hundred = [material()] * 100
    assert shape(cart(*hundred)) == []
    assert shape(cart(package(*hundred))) == []
    assert shape(cart(*hundred, material())) == ["cart_items"]
    assert shape(cart(package(*hundred, material()))) == [f"{FIRST}.items"]


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
    assert rules.CREATE_SUBSCRIPTION.load(changed("discounts", text))["discounts"] == text


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
    assert shape(changed("discounts", text)) == ["discounts"]


def test_discounts_of_more_than_twenty_thousand_characters_are_refused() -> None:
    assert shape(changed("discounts", '["' + "x" * 19_997 + '"]')) == ["discounts"]


def test_all_faults_of_shape_are_told_at_once() -> None:
    document = cart(
        material(quantity=0, box_count=1),
        {"type": "contact_lens_subscription", "box_count": 0},
        package(lens("up", quantity=-1), {"type": "wrong"}),
    )
    del document["merchant"]
    assert shape(document | {"reference": " ", "surplus": 1}) == [
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
    document = changed("discounts", "secret") | {"reference": "secret" * 50}
    document["cart_items"] = [material(type="secret"), package(lens("secret"))]
    with pytest.raises(ValidationError) as refusal:
        rules.CREATE_SUBSCRIPTION.load(document)
    told = str(refusal.value.messages)
    values = {
        "email": "secret",
        "date_of_birth": "secret",
        "nin": "secret",
        "nin_control": "secret",
    }
    told += str([*rules.shopper_faults(values, TODAY), *rules.identity_faults(values, "ES")])
    assert "secret" not in told


@pytest.mark.parametrize("path", [f"{FIRST}.price_with_tax", f"{FIRST}.subscription_price"])
@pytest.mark.parametrize(
    ("amount", "quantity", "taken"),
    [
        (0, 1, True),
        (-1, 1, False),
        (10**12, 1, True),
        (10**12 + 1, 1, False),
        (10**6, 10**6, True),
        (10**6 + 1, 10**6, False),
        (2**63 - 1, 1, False),
    ],
)
def test_an_amount_is_at_least_zero_and_sane_times_quantity(
    path: str, amount: int, quantity: int, taken: bool
) -> None:
    item = material(quantity=quantity, price_with_tax=0) | {path.split(".")[-1]: amount}
    assert meaning(cart(item)) == ([] if taken else [path])


@pytest.mark.parametrize(
    ("rate", "taken"), [(0, True), (2100, True), (10_000, True), (10_001, False), (-1, False)]
)
def test_a_vat_rate_is_at_most_a_hundred_percent(rate: int, taken: bool) -> None:
    document = cart(package(material(subscription_vat_rate=rate)))
    assert meaning(document) == ([] if taken else [f"{LEFT}.subscription_vat_rate"])


@pytest.mark.parametrize("amount", [49_999, 50_001, 0])
def test_a_package_that_does_not_cost_the_sum_of_its_items_is_refused(amount: int) -> None:
    path = f"{FIRST}.price_with_tax"
    assert meaning(changed(path, amount)) == [path]


def test_quantities_count_in_the_sum_of_a_package_but_its_own_does_not() -> None:
    items = (material(quantity=2, price_with_tax=300), material(price_with_tax=50))
    assert meaning(cart(package(*items, price_with_tax=650, quantity=3))) == []
    assert meaning(cart(package(*items, price_with_tax=350))) == [f"{FIRST}.price_with_tax"]


@pytest.mark.parametrize(
    ("eyes", "faulty"),
    [
        (["left"], []),
        (["right"], []),
        (["both"], []),
        (["left", "right"], []),
        (["right", "left"], []),
        (["left", "left"], [1]),
        (["left", "right", "left", "right"], [2, 3]),
        (["both", "both"], [1]),
        (["both", "left"], [0]),
        (["right", "both"], [1]),
        (["left", "right", "both"], [2]),
    ],
)
def test_each_eye_is_covered_once(eyes: list[str], faulty: list[int]) -> None:
    expected = [f"{FIRST}.items.{index}.product_data.eye" for index in faulty]
    assert meaning(cart(package(*map(lens, eyes)))) == expected


def test_a_frame_may_stand_beside_lenses_for_both_eyes() -> None:
    assert meaning(cart(package(material(), lens("both")))) == []


def test_two_packages_may_cover_the_same_eye() -> None:
    assert meaning(cart(package(lens("left")), package(lens("left")))) == []


def test_a_contact_lens_outside_a_package_is_refused() -> None:
    assert meaning(cart(lens("left"))) == [f"{FIRST}.type"]


def test_the_quantity_of_a_contact_lens_is_one() -> None:
    assert meaning(cart(package(lens("left", quantity=2), lens("right")))) == [f"{LEFT}.quantity"]
    assert meaning(cart(package(material(quantity=2)), material(quantity=2))) == []


def test_the_store_must_be_the_merchants() -> None:
    values = {"merchant": {"id": "tienda_moderna", "store_ref": "elsewhere"}}
    assert [path for path, _ in rules.store_faults(values, {"tienda_moderna"})] == [
        "merchant.store_ref"
    ]
    assert list(rules.store_faults(values, {"elsewhere"})) == []


@pytest.mark.parametrize(
    ("address", "taken"),
    [
        ("john@example.com", True),
        ("j.o+n@mail.example.es", True),
        ("john", False),
        ("john@", False),
        ("@example.com", False),
        ("john@example", False),
        ("john doe@example.com", False),
        ("john@example.com\n", False),
    ],
)
def test_an_email_has_the_form_of_one(address: str, taken: bool) -> None:
    assert meaning(changed("email", address)) == ([] if taken else ["email"])


@pytest.mark.parametrize(
    ("day", "taken"),
    [
        ("2026-03-01", True),
        ("2024-02-29", True),
        ("2026-03-02", False),
        ("2025-02-29", False),
        ("2000-13-01", False),
        ("0000-01-01", False),
        ("20001220", False),
        ("2000-W51-3", False),
        ("2000-12-20T00:00:00", False),
        ("20/12/2000", False),
        ("\u0662000-12-20", False),
        ("2000-12-20\n", False),
    ],
)
def test_a_birth_is_a_real_day_and_not_in_the_future(day: str, taken: bool) -> None:
    document = changed("date_of_birth", day)
    del document["nin_control"]
    assert meaning(document) == ([] if taken else ["date_of_birth"])


@pytest.mark.parametrize(
    ("number", "taken"),
    [
        ("12345678Z", True),
        ("54362315K", True),
        ("12345678-z", True),
        ("X2482300W", True),
        ("12345678A", False),
        ("X2482300A", False),
        ("A12345678", False),
        ("1234567Z", False),
        ("00", False),
        (" ", False),
        ("\uff112345678Z", False),
        ("B64717838", False),
    ],
)
def test_a_spanish_nin_is_a_dni_or_nie(number: str, taken: bool) -> None:
    assert meaning(changed("nin", number)) == ([] if taken else ["nin"])
    assert meaning(changed("nin", number), country="PT") == []


@pytest.mark.parametrize(
    ("control", "taken"),
    [
        ("0012201M", True),
        ("0012201F", True),
        ("0012202M", False),
        ("0012201m", False),
        ("0012201X", False),
        ("0012201", False),
        ("0012201MM", False),
        ("0012201M\n", False),
        ("2000-12-20", False),
        ("\u0660012201M", False),
        ("", False),
        ("0013201M", False),
        ("0012219M", False),
    ],
)
def test_a_spanish_nin_control_repeats_the_birth_with_its_check_digit(
    control: str, taken: bool
) -> None:
    assert meaning(changed("nin_control", control)) == ([] if taken else ["nin_control"])
    assert meaning(changed("nin_control", control), country="MX") == []


def test_a_nin_control_of_another_birth_is_refused() -> None:
    other = changed("nin_control", f"001221{rules.check_digit('001221')}M")
    assert meaning(other) == ["nin_control"]
    del other["date_of_birth"]
    assert meaning(other) == []


@pytest.mark.parametrize(
    ("yymmdd", "taken"), [("000229", True), ("010229", False), ("001320", False)]
)
def test_a_nin_control_alone_must_hold_a_day_of_some_century(yymmdd: str, taken: bool) -> None:
    document = changed("nin_control", f"{yymmdd}{rules.check_digit(yymmdd)}F")
    del document["date_of_birth"]
    assert meaning(document) == ([] if taken else ["nin_control"])


@pytest.mark.parametrize(("digits", "digit"), [("001220", 1), ("740812", 2), ("520727", 3)])
def test_check_digits_are_those_of_travel_documents(digits: str, digit: int) -> None:
    assert rules.check_digit(digits) == digit


def test_meaning_passes_over_what_the_shape_has_refused() -> None:
    document = {
        "merchant": {"id": "m"},
        "date_of_birth": "2999-01-01",
        "cart_items": [
            {"type": "nothing", "price_with_tax": -1},
            package(
                lens("left", quantity=0), lens("up"), lens("left", quantity=2), price_with_tax=7
            ),
            {},
        ],
    }
    with pytest.raises(ValidationError) as refusal:
        rules.CREATE_SUBSCRIPTION.load(document)
    values = refusal.value.valid_data
    assert isinstance(values, dict)
    assert [path for path, _ in rules.shopper_faults(values, TODAY)] == ["date_of_birth"]
    assert list(rules.store_faults(values, ())) == []
    assert list(rules.identity_faults(values, "ES")) == []
    assert [path for path, _ in rules.price_faults(values)] == ["cart_items.0.price_with_tax"]
    assert [path for path, _ in rules.eye_faults(values)] == [
        "cart_items.1.items.2.quantity",
        "cart_items.1.items.2.product_data.eye",
    ]


def deliveries(*entries: Document) -> Document:
    return {"subscription_id": "any text", "deliveries": list(entries)}


def test_the_example_of_deliveries_loads_as_it_is() -> None:
    text = (Path(__file__).parents[2] / "demo" / "box_deliveries.json").read_text(encoding="utf-8")
    document = json.loads(text) | {"subscription_id": "any text"}
    assert rules.CREATE_BOX_DELIVERIES.load(document) == document


@pytest.mark.parametrize(
    ("document", "faulty"),
    [
        (deliveries({"cart_item_reference_uuid": "a", "quantity": 1}), []),
        (deliveries({"cart_item_reference_uuid": "a", "quantity": 10**6}), []),
        (deliveries(*[{"cart_item_reference_uuid": "a", "quantity": 1}] * 2), []),
        (deliveries(), ["deliveries"]),
        ({"subscription_id": "x"}, ["deliveries"]),
        ({"deliveries": [{"cart_item_reference_uuid": "a", "quantity": 1}]}, ["subscription_id"]),
        (
            deliveries({}),
            ["deliveries.0.cart_item_reference_uuid", "deliveries.0.quantity"],
        ),
        (
            deliveries({"cart_item_reference_uuid": " ", "quantity": 0}),
            ["deliveries.0.cart_item_reference_uuid", "deliveries.0.quantity"],
        ),
        (
            deliveries(
                {"cart_item_reference_uuid": "a", "quantity": -1},
                {"cart_item_reference_uuid": "a", "quantity": 10**6 + 1},
            ),
            ["deliveries.0.quantity", "deliveries.1.quantity"],
        ),
        (deliveries(*[{"cart_item_reference_uuid": "a", "quantity": 1}] * 101), ["deliveries"]),
    ],
)
def test_deliveries_name_items_and_positive_quantities(
    document: Document, faulty: list[str]
) -> None:
    assert shape(document, rules.CREATE_BOX_DELIVERIES) == faulty


@pytest.mark.parametrize("schema", [rules.GET_SUBSCRIPTION, rules.CONFIRM_SUBSCRIPTION])
def test_a_subscription_is_named_by_any_text(schema: Schema) -> None:
    assert shape({"subscription_id": "not a uuid"}, schema) == []
    assert shape({}, schema) == ["subscription_id"]


def test_an_activation_names_the_item_too() -> None:
    assert shape({"subscription_id": "x"}, rules.ACTIVATE_CART_ITEM) == ["reference_uuid"]
    assert shape({"subscription_id": "x", "reference_uuid": "y"}, rules.ACTIVATE_CART_ITEM) == []


def test_a_list_without_filters_is_its_first_page_of_thirty() -> None:
    assert rules.LIST_SUBSCRIPTIONS.load({}) == {"page": 1, "per_page": 30}


def test_a_list_takes_every_filter_at_once() -> None:
    asked = {
        "status": "draft, active",
        "payment_status": "paid",
        "search": "doe",
        "created_at": "current_month",
        "created_at_from": "2026-01-01",
        "created_at_to": "2026-01-31",
        "activated_at": "2024-02-29",
        "activated_at_from": "2026-01-01",
        "activated_at_to": "2026-01-31",
        "merchant_id": "a,b",
        "store_ref": "c",
        "page": 2,
        "per_page": 100,
    }
    assert rules.LIST_SUBSCRIPTIONS.load(asked) == asked | {
        "status": ["draft", "active"],
        "payment_status": ["paid"],
        "merchant_id": ["a", "b"],
        "store_ref": ["c"],
    }


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("status", "open"),
        ("status", "draft,,sent"),
        ("status", "draft,open"),
        ("payment_status", "draft"),
        ("created_at", "yesterday"),
        ("created_at", "2025-02-29"),
        ("created_at_from", "current_month"),
        ("created_at_to", "2026-1-1"),
        ("activated_at", "20260101"),
        ("activated_at_from", "x"),
        ("activated_at_to", "2026-04-31"),
        ("merchant_id", ","),
        ("store_ref", "a," * 100 + "a"),
        ("search", "x" * 256),
        ("page", 0),
        ("page", 10**6 + 1),
        ("per_page", 0),
        ("per_page", 101),
    ],
)
def test_a_filter_of_another_form_is_refused(name: str, value: Any) -> None:
    assert shape({name: value}, rules.LIST_SUBSCRIPTIONS) == [name]


@pytest.mark.parametrize(
    ("price", "months", "monthly"),
    [(35000, 24, 1458), (12, 24, 1), (11, 24, 0), (36, 24, 2), (0, 24, 0), (25000, 24, 1042)],
)
def test_the_monthly_price_is_rounded_half_up(price: int, months: int, monthly: int) -> None:
    assert rules.subscription_price(price, months) == monthly


def test_live_is_every_status_but_the_two_ends() -> None:
    assert set(rules.Status) - set(rules.LIVE) == {"cancelled", "finished"}


NOW = datetime(2026, 3, 2, 12, tzinfo=UTC)
ALL: Document = {
    "payment_status": rules.PaymentStatus.PAID,
    "country": "ES",
    "has_email": True,
    "has_phone": True,
    "sms_count": 0,
    "pending_items": 1,
    "active_materials": 1,
    "remaining_boxes": 1,
}


def actions(status: str, hours: float | None = None, **facts: Any) -> set[str]:
    confirmed_at = None if hours is None else NOW - timedelta(hours=hours)
    allowed = rules.available_actions(rules.Status(status), confirmed_at, NOW, **(ALL | facts))
    assert len(allowed) == 10
    return {name for name, yes in allowed.items() if yes}


@pytest.mark.parametrize(
    ("status", "hours", "facts", "allowed"),
    [
        ("draft", None, {}, {"withdraw", "send_sms"}),
        ("draft", None, {"has_phone": False}, {"withdraw"}),
        ("draft", None, {"country": "MX"}, {"withdraw", "send_sms", "send_cart_link_email"}),
        ("sent", None, {"sms_count": 1}, {"withdraw", "resend_sms"}),
        ("in_progress", None, {"sms_count": 2, "has_phone": False}, {"withdraw"}),
        ("waiting_for_payment", None, {}, {"withdraw", "send_sms", "send_cart_link_email"}),
        ("waiting_for_payment", None, {"has_email": False}, {"withdraw", "send_sms"}),
        (
            "activating",
            1,
            {},
            {"withdraw", "activate_product", "use_warranty", "deliver_boxes"},
        ),
        (
            "activating",
            1,
            {"active_materials": 0, "remaining_boxes": 0},
            {"withdraw", "activate_product"},
        ),
        ("activating", 23.999, {"pending_items": 0}, {"withdraw", "use_warranty", "deliver_boxes"}),
        ("activating", 24, {"pending_items": 0}, {"cancel", "use_warranty", "deliver_boxes"}),
        (
            "active",
            1000,
            {"pending_items": 0},
            {"cancel", "add_product", "change_item", "use_warranty", "deliver_boxes"},
        ),
        (
            "active",
            1000,
            {
                "pending_items": 0,
                "payment_status": rules.PaymentStatus.FAILED,
                "active_materials": 0,
                "remaining_boxes": 0,
            },
            {"cancel", "add_product"},
        ),
        ("cancelled", None, {}, set()),
        ("cancelled", 1, {}, set()),
        ("finished", 20_000, {}, set()),
    ],
)
def test_the_state_tells_which_actions_are_available(
    status: str, hours: float | None, facts: Document, allowed: set[str]
) -> None:
    assert actions(status, hours, **facts) == allowed
