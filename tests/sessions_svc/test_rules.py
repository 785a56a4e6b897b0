"""The rules of sessions: what a request may hold, and whom it disqualifies."""

import json
from collections.abc import Iterator, Mapping
from copy import deepcopy
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from marshmallow import Schema, ValidationError

from sessions_svc import rules
from sessions_svc.rules import CHECK_QUALIFICATION, CREATE_SESSION, Limits

Values = dict[str, Any]
REQUIRED = "Missing data for required field."
NUMBER = "Special numeric values (nan or infinity) are not permitted."
DIOPTRES = "Must be from -30 to 30 dioptres."
TODAY = date(2026, 6, 15)
ABSENT = object()


def contacts(**fields: Any) -> Values:
    """A contacts prescription as it arrives; a field that is ABSENT is left out."""
    eye = {"product_key": "example1", "sphere": -1.0}
    return present({"type": "contacts", "right_eye": eye, "left_eye": dict(eye), **fields})


def glasses(**fields: Any) -> Values:
    """A glasses prescription as it arrives; a field that is ABSENT is left out."""
    eye = {"sphere": -1.0, "pupillary_distance": 30.0}
    return present({"type": "glasses", "right_eye": eye, "left_eye": dict(eye), **fields})


def user(**fields: Any) -> Values:
    """The person of `session`."""
    person = {
        "email": "test@example.com",
        "first_name": "Test",
        "last_name": "User",
        "birthdate": "1988-01-01",
        "region": "IL",
    }
    return present({**person, **fields})


def session(**fields: Any) -> Values:
    """The smallest CreateSessionRequest that breaks no rule, with these fields."""
    return present({"user_key": "user1", "session_key": "session1", "user": user(), **fields})


def present(values: Values) -> Values:
    return {name: value for name, value in values.items() if value is not ABSENT}


def loaded(**fields: Any) -> Values:
    """The loaded values of `session`."""
    values: Values = CREATE_SESSION.load(session(**fields))
    return values


def faults(body: Values, schema: Schema = CREATE_SESSION) -> dict[str, list[str]]:
    """Every fault of a body by its dotted path."""
    before = deepcopy(body)
    try:
        schema.load(body)
        found = {}
    except ValidationError as error:
        found = dict(by_path(error.messages_dict))
    # repr, since NaN is not equal to itself
    assert repr(body) == repr(before)
    return found


def by_path(messages: Mapping[Any, Any], path: str = "") -> Iterator[tuple[str, list[str]]]:
    for name, each in messages.items():
        if isinstance(each, Mapping):
            yield from by_path(each, f"{path}{name}.")
        else:
            yield f"{path}{name}", each


def without_nulls(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: without_nulls(each) for name, each in value.items() if each is not None}
    if isinstance(value, list):
        return [without_nulls(each) for each in value]
    return value


def example() -> Values:
    """The demo body as it reaches the rules: no null, partner_info as text."""
    path = Path(__file__).parents[2] / "demo" / "session.json"
    body: Values = without_nulls(json.loads(path.read_text()))
    body["partner_info"] = json.dumps(body["partner_info"])
    return body


def test_the_example_loads_and_only_its_region_is_written_out() -> None:
    expected = example()
    expected["user"]["region"] = "US-IL"
    values = CREATE_SESSION.load(example())
    assert values == expected
    assert rules.disqualifications(values, Limits(), {"example1"}, TODAY) == []


def test_the_smallest_session_loads() -> None:
    assert loaded() == session(user=user(region="US-IL"))


def test_the_smallest_qualification_loads() -> None:
    body = {"user": {"birthdate": "1988-01-01", "region": "CA-ON"}}
    assert CHECK_QUALIFICATION.load(body) == body


def test_what_is_missing_is_named() -> None:
    assert faults({}) == {key: [REQUIRED] for key in ("user_key", "session_key", "user")}
    assert faults({}, CHECK_QUALIFICATION) == {"user": [REQUIRED]}
    assert faults(session(user={})) == {f"user.{name}": [REQUIRED] for name in user()}
    assert faults({"user": {}}, CHECK_QUALIFICATION) == {
        "user.birthdate": [REQUIRED],
        "user.region": [REQUIRED],
    }


def test_a_qualification_asks_for_no_more_than_it_needs() -> None:
    unknown = ["Unknown field."]
    assert faults(session(order={}), CHECK_QUALIFICATION) == {
        "user_key": unknown,
        "session_key": unknown,
        "order": unknown,
        "user.email": unknown,
        "user.first_name": unknown,
        "user.last_name": unknown,
    }


def test_all_faults_are_told_at_once() -> None:
    body = {
        "user_key": "a b",
        "session_key": "session1",
        "user": user(email="nobody", last_name=ABSENT, birthdate="1988-02-30"),
        "order": {
            "charged_amount": -1,
            "products": [{"type": "glasses"}, {"type": "acuity-service"}, {"type": "lasik"}, {}],
        },
        "partner_info": "[]",
        "prescriptions": [
            contacts(
                issue_date="2017-07-04",
                expiration_date="2017-07-04",
                right_eye={"sphere": -31.0, "axis": 181, "pupillary_distance": 30.0},
                left_eye={"cylinder": -0.25, "dominance": "R"},
            ),
            contacts(verification="maybe", right_eye={"add": 0.2}, left_eye=ABSENT),
            glasses(right_eye={"axis": 90}, left_eye=ABSENT),
        ],
    }
    axis_alone = "Allowed only with a cylinder that is not zero."
    assert faults(body) == {
        "user_key": ["Must be 1 to 64 of the characters A-Z a-z 0-9 . _ : -"],
        "user.email": ["Must be an e-mail address, such as name@example.com."],
        "user.last_name": [REQUIRED],
        "user.birthdate": ["Must be a real date as YYYY-MM-DD."],
        "order.charged_amount": ["Must be 0 or more, in the smallest currency unit."],
        "order.charged_currency": ["Required with charged_amount."],
        "order.products.1.type": ["acuity-service cannot be ordered with glasses or contacts."],
        "order.products.2.type": ["Must be one of: glasses, contacts, acuity-service."],
        "order.products.3.type": [REQUIRED],
        "partner_info": ["Must be a JSON object."],
        "prescriptions.0.expiration_date": ["Must be after issue_date."],
        "prescriptions.0.right_eye.sphere": [DIOPTRES],
        "prescriptions.0.right_eye.axis": ["Must be from 1 to 180 degrees.", axis_alone],
        "prescriptions.0.right_eye.pupillary_distance": ["Not a field of contacts."],
        "prescriptions.0.left_eye.axis": ["Required with a cylinder."],
        "prescriptions.0.left_eye.dominance": ["Must be D (dominant) or N."],
        "prescriptions.1.type": ["At most one prescription of each type is allowed."],
        "prescriptions.1.verification": ["Must be one of: verified, unverified."],
        "prescriptions.1.right_eye.add": ["Must be from 0.25 to 5 dioptres."],
        "prescriptions.2.right_eye.axis": [axis_alone],
        "prescriptions.2.left_eye": ["Required: a glasses prescription has both eyes."],
    }


@pytest.mark.parametrize("field", ["user_key", "session_key"])
@pytest.mark.parametrize("key", ["a", "Az09._:-", "k" * 64])
def test_a_key_of_1_to_64_of_its_alphabet_is_taken(field: str, key: str) -> None:
    assert faults(session(**{field: key})) == {}


@pytest.mark.parametrize("field", ["user_key", "session_key"])
@pytest.mark.parametrize("key", ["k" * 65, "", "a b", "a/b", "käse", "key\n", "\u0661"])
def test_another_key_is_refused(field: str, key: str) -> None:
    message = ["Must be 1 to 64 of the characters A-Z a-z 0-9 . _ : -"]
    assert faults(session(**{field: key})) == {field: message}


HOST = ".".join(["b" * 62] * 3)
EMAILS = """
    test@example.com first.last+tag@sub.example.co.uk o'neil@example.com
    jürgen@münchen.example a@xn--mnchen-3ya.xn--p1ai
"""
NO_EMAILS = """
    nobody @example.com test@ test@example test@example.c test@127.0.0.1 test@example..com
    test@-example.com test@example-.com .test@example.com te..st@example.com a@b@example.com
"""


@pytest.mark.parametrize(
    "email",
    [
        *EMAILS.split(),
        *(f"{'a' * 64}@example.com", f"a@{HOST}.{'c' * 59}.com", f"a@{'b' * 63}.com"),
    ],
)
def test_an_email_is_taken(email: str) -> None:
    assert faults(session(user=user(email=email))) == {}


@pytest.mark.parametrize(
    "email",
    [
        *NO_EMAILS.split(),
        *("", "te st@example.com", "test@example.com\n", "[e-mail protected]"),
        *(f"{'a' * 65}@example.com", f"a@{HOST}.{'c' * 60}.com", f"a@{'b' * 64}.com"),
    ],
)
def test_what_is_no_email_is_refused(email: str) -> None:
    message = ["Must be an e-mail address, such as name@example.com."]
    assert faults(session(user=user(email=email))) == {"user.email": message}


@pytest.mark.parametrize("name", ["X", "李", "Anne Marie", "é" * 50, "\U0001d49c" * 50])
def test_a_name_of_1_to_50_code_points_is_taken(name: str) -> None:
    assert faults(session(user=user(first_name=name, last_name=name))) == {}


@pytest.mark.parametrize("name", ["", " ", "\t\n", "\u00a0\u3000", "\u200b", "é" * 51])
def test_a_long_or_blank_name_is_refused(name: str) -> None:
    message = ["Must be 1 to 50 characters, not blank."]
    found = faults(session(user=user(first_name=name, last_name=name)))
    assert found == {"user.first_name": message, "user.last_name": message}


@pytest.mark.parametrize("day", ["1988-01-01", "2024-02-29", "0001-01-01"])
def test_a_real_day_is_taken(day: str) -> None:
    prescription = contacts(issue_date=day, expiration_date="2030-01-01")
    assert faults(session(user=user(birthdate=day), prescriptions=[prescription])) == {}
    assert faults(session(prescriptions=[glasses(expiration_date=day)])) == {}


NO_DAYS = """
    2023-02-29 1988-13-01 1988-00-10 0000-01-01 1988-1-1 19880101 1988-W01-1 1988-001
    1988-01-01T00:00:00Z 01/01/1988 \u0661\u0669\u0668\u0668-01-01
"""


@pytest.mark.parametrize("day", [*NO_DAYS.split(), "1988-01-01\n", " 1988-01-01"])
def test_what_is_no_real_day_is_refused(day: str) -> None:
    prescription = contacts(issue_date=day, expiration_date=day)
    message = ["Must be a real date as YYYY-MM-DD."]
    assert faults(session(user=user(birthdate=day), prescriptions=[prescription])) == {
        "user.birthdate": message,
        "prescriptions.0.issue_date": message,
        "prescriptions.0.expiration_date": message,
    }


@pytest.mark.parametrize(
    ("region", "full"),
    [
        ("IL", "US-IL"),
        ("CA", "US-CA"),
        ("ZZ", "US-ZZ"),
        ("US-IL", "US-IL"),
        ("CA-ON", "CA-ON"),
        ("FR-75C", "FR-75C"),
        ("AT-9", "AT-9"),
    ],
)
def test_a_region_is_loaded_in_full(region: str, full: str) -> None:
    assert loaded(user=user(region=region))["user"]["region"] == full
    assert rules.full_region(full) == full


@pytest.mark.parametrize(
    "region",
    ["", "I", "il", "us-il", "ILL", "Illinois", "US-", "US-ABCD", "USA-IL", "US_IL", "IL\n", "12"],
)
def test_a_region_of_another_form_is_refused(region: str) -> None:
    message = "Must be a US state such as IL, or an ISO 3166-2 code such as US-IL or CA-ON."
    assert faults(session(user=user(region=region))) == {"user.region": [message]}


@pytest.mark.parametrize("currency", ["USD", "EUR", "JPY", "XOF", "ZWG"])
def test_an_active_currency_is_taken(currency: str) -> None:
    assert currency in rules.CURRENCIES
    assert faults(session(order={"charged_currency": currency, "charged_amount": 1})) == {}


@pytest.mark.parametrize("currency", ["usd", "US", "USDD", "ABC", "DEM", "BGN", "XAU", "XXX"])
def test_another_currency_is_refused(currency: str) -> None:
    message = "Must be an ISO 4217 code in capitals, such as USD."
    body = session(order={"charged_currency": currency, "charged_amount": 1})
    assert faults(body) == {"order.charged_currency": [message]}


@pytest.mark.parametrize("order", [{}, {"charged_currency": "USD"}, {"products": []}])
def test_an_order_without_an_amount_is_taken_as_it_is(order: Values) -> None:
    assert loaded(order=order)["order"] == order


@pytest.mark.parametrize("amount", [0, 1, 6000, 2**63 - 1])
def test_an_amount_stays_what_it_was(amount: int) -> None:
    order = {"charged_currency": "USD", "charged_amount": amount}
    assert loaded(order=order)["order"] == order


@pytest.mark.parametrize("amount", [0, 6000])
def test_an_amount_needs_a_currency(amount: int) -> None:
    expected = {"order.charged_currency": ["Required with charged_amount."]}
    assert faults(session(order={"charged_amount": amount})) == expected


def test_an_amount_below_zero_is_refused() -> None:
    expected = {"order.charged_amount": ["Must be 0 or more, in the smallest currency unit."]}
    assert faults(session(order={"charged_currency": "USD", "charged_amount": -1})) == expected


@pytest.mark.parametrize(
    ("kinds", "refused"),
    [
        (["glasses"], []),
        (["contacts"], []),
        (["contacts", "glasses"], []),
        (["acuity-service"], []),
        (["acuity-service", "acuity-service"], []),
        (["acuity-service", "glasses"], [0]),
        (["contacts", "acuity-service"], [1]),
        (["acuity-service", "contacts", "glasses", "acuity-service"], [0, 3]),
    ],
)
def test_the_acuity_service_stands_alone(kinds: list[str], refused: list[int]) -> None:
    message = ["acuity-service cannot be ordered with glasses or contacts."]
    body = session(order={"products": [{"type": kind} for kind in kinds]})
    assert faults(body) == {f"order.products.{index}.type": message for index in refused}


@pytest.mark.parametrize("path", ["order.products", "prescriptions"])
def test_a_list_has_an_end(path: str) -> None:
    items: list[Values] = [{}] * 21
    body = session(prescriptions=items) if path == "prescriptions" else session()
    body |= {"order": {"products": items}} if path == "order.products" else {}
    assert faults(body) == {path: ["Must not have more than 20 items."]}


def test_a_list_may_have_20_items() -> None:
    assert faults(session(order={"products": [{"type": "glasses"}] * 20})) == {}


def object_of(length: int) -> str:
    return json.dumps({"note": "é" * (length - 12)}, ensure_ascii=False)


def nested(levels: int) -> str:
    return '{"a":' + "[" * (levels - 1) + "]" * (levels - 1) + "}"


@pytest.mark.parametrize(
    "text",
    [
        "{}",
        ' {"n": 1.0, "big": 12345678901234567890}\n',
        '{"digits": ' + "9" * 5000 + "}",
        '{"tiny": 1e-999, "huge": 1E999}',
        '{"a": [true, false, null, "NaN", {"b": {}}]}',
        '{"a": "\\u0000 \\ud83d"}',
        nested(100),
        object_of(19_999),
    ],
)
def test_partner_info_is_kept_as_sent(text: str) -> None:
    assert loaded(partner_info=text)["partner_info"] == text


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (object_of(20_000), "Must be under 20,000 characters as JSON text."),
        ("{}" + " " * 19_998, "Must be under 20,000 characters as JSON text."),
        ("[]", "Must be a JSON object."),
        ('"text"', "Must be a JSON object."),
        ("1", "Must be a JSON object."),
        ("null", "Must be a JSON object."),
        ("", "Must be valid JSON."),
        ("{", "Must be valid JSON."),
        ("{} {}", "Must be valid JSON."),
        ("{'a': 1}", "Must be valid JSON."),
        ('{"a": NaN}', "Must be valid JSON."),
        ('{"a": Infinity}', "Must be valid JSON."),
        ('{"a": [-Infinity]}', "Must be valid JSON."),
        ('{"a": 01}', "Must be valid JSON."),
        ('{"a": "\n"}', "Must be valid JSON."),
        ("\ufeff{}", "Must be valid JSON."),
        (nested(101), "Must not be nested deeper than 100 levels."),
        ('{"a":' * 3900 + "1" + "}" * 3900, "Must be under 20,000 characters as JSON text."),
        ('{"a":' * 3300 + "1" + "}" * 3300, "Must not be nested deeper than 100 levels."),
        ('{"a":' + "[" * 19_000, "Must not be nested deeper than 100 levels."),
    ],
    ids=str,
)
def test_partner_info_is_a_small_json_object(text: str, message: str) -> None:
    assert faults(session(partner_info=text)) == {"partner_info": [message]}


@pytest.mark.parametrize(
    "prescriptions",
    [[], [contacts()], [glasses()], [contacts(), glasses()], [glasses(), contacts()]],
)
def test_one_prescription_of_each_type_may_be_sent(prescriptions: list[Values]) -> None:
    body = session(prescriptions=prescriptions)
    person = {"birthdate": "1988-01-01", "region": "IL"}
    qualification = {"user": person, "prescriptions": prescriptions}
    assert faults(body) == {}
    assert faults(qualification, CHECK_QUALIFICATION) == {}


def test_a_second_prescription_of_a_type_is_refused() -> None:
    body = session(prescriptions=[contacts(), glasses(), glasses(), contacts()])
    message = ["At most one prescription of each type is allowed."]
    assert faults(body) == {"prescriptions.2.type": message, "prescriptions.3.type": message}


def test_prescriptions_without_a_type_are_not_of_one_type() -> None:
    body = session(prescriptions=[contacts(type=ABSENT), contacts(type=ABSENT)])
    assert faults(body) == {f"prescriptions.{index}.type": [REQUIRED] for index in (0, 1)}


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        (ABSENT, REQUIRED),
        ("sunglasses", "Must be one of: contacts, glasses."),
        ("acuity-service", "Must be one of: contacts, glasses."),
        ("Contacts", "Must be one of: contacts, glasses."),
    ],
)
def test_a_prescription_names_its_type(kind: Any, message: str) -> None:
    body = session(prescriptions=[contacts(type=kind)])
    assert faults(body) == {"prescriptions.0.type": [message]}


@pytest.mark.parametrize(
    ("sent", "kept"),
    [(ABSENT, "unverified"), ("unverified", "unverified"), ("verified", "verified")],
)
def test_a_prescription_is_unverified_unless_it_says_so(sent: Any, kept: str) -> None:
    values = loaded(prescriptions=[contacts(verification=sent)])
    assert values["prescriptions"] == [contacts(verification=kept)]


def test_another_verification_is_refused() -> None:
    expected = {"prescriptions.0.verification": ["Must be one of: verified, unverified."]}
    assert faults(session(prescriptions=[contacts(verification="yes")])) == expected


@pytest.mark.parametrize(
    ("issued", "expires", "good"),
    [
        ("2017-07-04", "2017-07-05", True),
        ("2017-07-04", ABSENT, True),
        (ABSENT, "2001-07-04", True),
        (ABSENT, ABSENT, True),
        ("2017-07-04", "2017-07-04", False),
        ("2017-07-04", "2016-12-31", False),
    ],
)
def test_a_prescription_expires_after_its_issue(issued: Any, expires: Any, good: bool) -> None:
    body = session(prescriptions=[glasses(issue_date=issued, expiration_date=expires)])
    expected = {"prescriptions.0.expiration_date": ["Must be after issue_date."]}
    assert faults(body) == ({} if good else expected)


def test_an_unreal_day_is_not_compared() -> None:
    body = session(prescriptions=[contacts(issue_date="x", expiration_date="2017-07-04")])
    message = ["Must be a real date as YYYY-MM-DD."]
    assert faults(body) == {"prescriptions.0.issue_date": message}


@pytest.mark.parametrize("missing", [ABSENT, {}])
@pytest.mark.parametrize(("eye", "other"), [rules.EYES, rules.EYES[::-1]])
def test_one_eye_may_be_missing_in_contacts_alone(missing: Any, eye: str, other: str) -> None:
    both = ["Required: a glasses prescription has both eyes."]
    some = ["Required: a prescription has at least one eye."]
    nothing = {eye: missing, other: missing}
    assert faults(session(prescriptions=[contacts(**{eye: missing})])) == {}
    assert faults(session(prescriptions=[glasses(**{eye: missing})])) == {
        f"prescriptions.0.{eye}": both
    }
    assert faults(session(prescriptions=[contacts(**nothing)])) == {
        f"prescriptions.0.{eye}": some,
        f"prescriptions.0.{other}": some,
    }
    assert faults(session(prescriptions=[glasses(**nothing)])) == {
        f"prescriptions.0.{eye}": both,
        f"prescriptions.0.{other}": both,
    }


MM = "Must be from {} to {} mm."


@pytest.mark.parametrize("eye", rules.EYES)
@pytest.mark.parametrize(
    ("kind", "field", "value", "message"),
    [
        (contacts, "sphere", -30.0, None),
        (contacts, "sphere", 30.0, None),
        (contacts, "sphere", 0.0, None),
        (contacts, "sphere", -30.01, DIOPTRES),
        (glasses, "sphere", 30.01, DIOPTRES),
        (glasses, "sphere", float("nan"), NUMBER),
        (glasses, "sphere", float("inf"), NUMBER),
        (contacts, "cylinder", -30.01, DIOPTRES),
        (glasses, "cylinder", 30.01, DIOPTRES),
        (glasses, "cylinder", float("nan"), NUMBER),
        (contacts, "add", 0.25, None),
        (glasses, "add", 5.0, None),
        (contacts, "add", 0.24, "Must be from 0.25 to 5 dioptres."),
        (glasses, "add", 0.0, "Must be from 0.25 to 5 dioptres."),
        (glasses, "add", 5.01, "Must be from 0.25 to 5 dioptres."),
        (contacts, "base_curve", 5.0, None),
        (contacts, "base_curve", 12.0, None),
        (contacts, "base_curve", 4.99, MM.format(5, 12)),
        (contacts, "base_curve", 12.01, MM.format(5, 12)),
        (contacts, "diameter", 8.0, None),
        (contacts, "diameter", 20.0, None),
        (contacts, "diameter", 7.99, MM.format(8, 20)),
        (contacts, "diameter", 20.01, MM.format(8, 20)),
        (contacts, "diameter", float("-inf"), NUMBER),
        (contacts, "dominance", "D", None),
        (contacts, "dominance", "N", None),
        (contacts, "dominance", "d", "Must be D (dominant) or N."),
        (contacts, "product_key", "anything at all", None),
        (contacts, "pupillary_distance", 30.0, "Not a field of contacts."),
        (glasses, "pupillary_distance", 20.0, None),
        (glasses, "pupillary_distance", 50.0, None),
        (glasses, "pupillary_distance", 19.99, MM.format(20, 50)),
        (glasses, "pupillary_distance", 50.01, MM.format(20, 50)),
        (glasses, "product_key", "example1", "Not a field of glasses."),
        (glasses, "base_curve", 8.7, "Not a field of glasses."),
        (glasses, "diameter", 14.1, "Not a field of glasses."),
        (glasses, "dominance", "D", "Not a field of glasses."),
    ],
)
def test_an_eye_holds_its_own_fields_within_their_ranges(
    eye: str, kind: Any, field: str, value: Any, message: str | None
) -> None:
    fields = {field: value, "axis": 90} if field == "cylinder" else {field: value}
    expected = {f"prescriptions.0.{eye}.{field}": [message]} if message else {}
    assert faults(session(prescriptions=[kind(**{eye: fields})])) == expected


def test_a_foreign_field_is_not_named_where_the_type_is_unknown() -> None:
    body = session(prescriptions=[glasses(type=ABSENT, right_eye={"diameter": 14.1})])
    assert faults(body) == {"prescriptions.0.type": [REQUIRED]}


NEEDED = "Required with a cylinder."
ALONE = "Allowed only with a cylinder that is not zero."
AXIS = "Must be from 1 to 180 degrees."


@pytest.mark.parametrize("kind", [contacts, glasses])
@pytest.mark.parametrize("eye", rules.EYES)
@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"cylinder": -0.25, "axis": 1}, {}),
        ({"cylinder": 0.25, "axis": 180}, {}),
        ({"cylinder": -30.0, "axis": 90}, {}),
        ({"cylinder": 30.0, "axis": 90}, {}),
        ({"cylinder": 0.0}, {}),
        ({"cylinder": -0.25}, {"axis": [NEEDED]}),
        ({"cylinder": -30.01}, {"cylinder": [DIOPTRES], "axis": [NEEDED]}),
        ({"cylinder": -30.01, "axis": 90}, {"cylinder": [DIOPTRES]}),
        ({"cylinder": -0.25, "axis": 0}, {"axis": [AXIS]}),
        ({"cylinder": -0.25, "axis": 181}, {"axis": [AXIS]}),
        ({"cylinder": -0.25, "axis": 90.5}, {"axis": ["Not a valid integer."]}),
        ({"axis": 90}, {"axis": [ALONE]}),
        ({"cylinder": 0.0, "axis": 90}, {"axis": [ALONE]}),
        ({"cylinder": -0.0, "axis": 90}, {"axis": [ALONE]}),
        ({"axis": 0}, {"axis": [AXIS, ALONE]}),
    ],
)
def test_an_axis_and_a_cylinder_come_together(
    kind: Any, eye: str, fields: Values, expected: dict[str, list[str]]
) -> None:
    body = session(prescriptions=[kind(**{eye: {"sphere": 0.0, **fields}})])
    assert faults(body) == {
        f"prescriptions.0.{eye}.{name}": messages for name, messages in expected.items()
    }


@pytest.mark.parametrize(
    ("birthdate", "good"), [("2026-06-14", True), ("2026-06-15", True), ("2026-06-16", False)]
)
def test_a_birthdate_is_not_in_the_future(birthdate: str, good: bool) -> None:
    expected = [] if good else [("user.birthdate", "Must not be in the future.")]
    assert rules.date_faults(loaded(user=user(birthdate=birthdate)), TODAY) == expected


@pytest.mark.parametrize(
    ("store_id", "good"),
    [(ABSENT, True), ("", True), ("store_1234", True), ("store_9999", False), ("x", False)],
)
def test_a_store_is_an_enabled_one_of_the_partner(store_id: Any, good: bool) -> None:
    expected = [] if good else [("store_id", "Must be an enabled store of this partner.")]
    assert rules.store_faults(loaded(store_id=store_id), {"store_1234"}) == expected


@pytest.mark.parametrize("values", [{}, {"user": {}}, {"user": {"region": "US-IL"}}])
def test_what_is_missing_is_no_fault_of_its_data(values: Values) -> None:
    assert rules.date_faults(values, TODAY) == []
    assert rules.store_faults(values, ()) == []


def reasons(limits: Limits | None = None, **fields: Any) -> list[str]:
    return rules.disqualifications(loaded(**fields), limits or Limits(), {"example1"}, TODAY)


@pytest.mark.parametrize(
    ("birthdate", "day", "age"),
    [
        ("1988-06-15", "2026-06-14", 37),
        ("1988-06-15", "2026-06-15", 38),
        ("2026-06-15", "2026-06-15", 0),
        ("2008-02-29", "2026-02-28", 17),
        ("2008-02-29", "2026-03-01", 18),
        ("2008-02-29", "2028-02-28", 19),
        ("2008-02-29", "2028-02-29", 20),
        ("2008-03-01", "2028-02-29", 19),
    ],
)
def test_age_is_in_whole_years(birthdate: str, day: str, age: int) -> None:
    assert rules.age_on(date.fromisoformat(day), date.fromisoformat(birthdate)) == age


@pytest.mark.parametrize(
    ("birthdate", "expected"),
    [
        ("2008-06-16", ["age"]),
        ("2008-06-15", []),
        ("1970-06-16", []),
        ("1970-06-15", ["age"]),
        ("0001-01-01", ["age"]),
    ],
)
def test_ages_18_to_55_are_served(birthdate: str, expected: list[str]) -> None:
    assert reasons(user=user(birthdate=birthdate)) == expected


def test_the_fifty_states_and_dc_are_served() -> None:
    assert len(rules.US_STATES) == 51
    assert [reasons(user=user(region=region)) for region in rules.US_STATES] == [[]] * 51


@pytest.mark.parametrize(
    ("region", "expected"),
    [("DC", []), ("US-IL", []), ("PR", ["region"]), ("ZZ", ["region"]), ("CA-ON", ["region"])],
)
def test_another_region_is_not_served(region: str, expected: list[str]) -> None:
    assert reasons(user=user(region=region)) == expected


@pytest.mark.parametrize("eye", rules.EYES)
@pytest.mark.parametrize(
    ("key", "expected"),
    [("example1", []), ("example9", ["unknown_product_key"]), (ABSENT, [])],
)
def test_a_contacts_eye_names_a_mapped_product(eye: str, key: Any, expected: list[str]) -> None:
    fields = present({"product_key": key, "sphere": -1.0})
    assert reasons(prescriptions=[contacts(**{eye: fields})]) == expected


def test_glasses_name_no_product() -> None:
    values = loaded(prescriptions=[glasses()])
    assert rules.disqualifications(values, Limits(), (), TODAY) == []


@pytest.mark.parametrize("kind", [contacts, glasses])
@pytest.mark.parametrize("eye", rules.EYES)
@pytest.mark.parametrize(
    ("fields", "served"),
    [
        ({"sphere": -12.0}, True),
        ({"sphere": -12.01}, False),
        ({"sphere": 0.0}, True),
        ({"sphere": 6.0}, True),
        ({"sphere": 6.01}, False),
        ({"cylinder": -5.0, "axis": 1}, True),
        ({"cylinder": -5.01, "axis": 1}, False),
        ({"cylinder": 5.0, "axis": 1}, True),
        ({"cylinder": 5.01, "axis": 1}, False),
        ({"add": 4.0}, True),
        ({"add": 4.01}, False),
    ],
)
def test_a_prescription_is_served_within_its_limits(
    kind: Any, eye: str, fields: Values, served: bool
) -> None:
    expected = [] if served else ["prescription"]
    assert reasons(prescriptions=[kind(**{eye: fields})]) == expected


def test_an_eye_that_is_missing_is_not_judged() -> None:
    for missing in (ABSENT, {}):
        assert reasons(prescriptions=[contacts(left_eye=missing)]) == []


EVERYTHING: Values = {
    "user": user(birthdate="2020-01-01", region="CA-ON"),
    "prescriptions": [contacts(right_eye={"product_key": "none", "sphere": 20.0})],
}
ALL = ["age", "region", "unknown_product_key", "prescription"]


def test_all_reasons_are_told_in_their_order() -> None:
    assert reasons(**EVERYTHING) == ALL


def test_a_qualification_gives_the_same_reasons() -> None:
    person = {name: EVERYTHING["user"][name] for name in ("birthdate", "region")}
    values = CHECK_QUALIFICATION.load({**EVERYTHING, "user": person})
    assert rules.disqualifications(values, Limits(), {"example1"}, TODAY) == ALL


@pytest.mark.parametrize(
    ("order", "expected"),
    [
        ({"products": [{"type": "acuity-service"}]}, []),
        ({"products": [{"type": "acuity-service"}, {"type": "acuity-service"}]}, []),
        ({"products": [{"type": "contacts"}]}, ALL),
        ({"products": []}, ALL),
        ({}, ALL),
    ],
)
def test_the_acuity_service_alone_needs_no_qualification(
    order: Values, expected: list[str]
) -> None:
    assert reasons(order=order, **EVERYTHING) == expected


@pytest.mark.parametrize(
    ("limits", "expected"),
    [
        (Limits(), []),
        (Limits(min_age=39), ["age"]),
        (Limits(min_age=38, max_age=38), []),
        (Limits(max_age=37), ["age"]),
        (Limits(regions=frozenset({"CA-ON"})), ["region"]),
        (Limits(min_sphere=-1.0), ["prescription"]),
        (Limits(min_sphere=-3.0, max_sphere=-1.5), []),
        (Limits(max_sphere=-2.5), ["prescription"]),
        (Limits(max_cylinder=0.5), ["prescription"]),
        (Limits(max_add=1.0), ["prescription"]),
    ],
)
def test_each_limit_is_the_partners_own(limits: Limits, expected: list[str]) -> None:
    right = {"product_key": "example1", "sphere": -2.0, "cylinder": -0.75, "axis": 90, "add": 1.5}
    left = {"product_key": "example1"}
    assert reasons(limits, prescriptions=[contacts(right_eye=right, left_eye=left)]) == expected


def test_no_fault_repeats_what_was_sent() -> None:
    secret = "Sphinx"
    body = session(
        user_key=f"{secret} {secret}",
        user={name: "\u200b" if "name" in name else secret for name in user()},
        order={"charged_currency": secret, "charged_amount": -4711, "products": [{"type": secret}]},
        partner_info=secret,
        prescriptions=[
            contacts(
                type=secret,
                verification=secret,
                issue_date=secret,
                right_eye={"dominance": secret, "sphere": 4711.0, "axis": 4711},
            )
        ],
    )
    found = faults(body)
    assert len(found) == 16
    assert secret not in str(found)
    assert "4711" not in str(found)


def test_a_status_is_its_word() -> None:
    assert [str(status) for status in rules.Status] == [
        "created",
        "started",
        "awaiting_checkout",
        "awaiting_confirmation",
        "awaiting_review",
        "retake_requested",
        "approved",
        "referred",
        "cancelled",
        "completed",
    ]
