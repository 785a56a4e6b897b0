"""The rules of sessions: whole requests, keys, lists and stores."""

from typing import Any

import pytest

from sessions_svc.rules import sessions as rules
from sessions_svc.rules.qualification import Limits, find_disqualifications
from sessions_svc.rules.sessions import CHECK_QUALIFICATION, CREATE_SESSION
from sessions_svc.rules.statuses import Status
from tests.sessions_svc.bodies import (
    ABSENT,
    DIOPTRES,
    REQUIRED,
    TODAY,
    Values,
    build_contacts,
    build_glasses,
    build_session,
    build_user,
    find_faults,
    load_example,
    load_session,
)


def test_the_example_loads_with_its_region_expanded() -> None:
    expected = load_example()
    expected["user"]["region"] = "US-IL"
    values = CREATE_SESSION.load(load_example())
    assert values == expected
    assert find_disqualifications(values, Limits(), {"example1"}, TODAY) == []


def test_the_smallest_session_loads() -> None:
    assert load_session() == build_session(user=build_user(region="US-IL"))


def test_the_smallest_qualification_loads() -> None:
    body = {"user": {"birthdate": "1988-01-01", "region": "CA-ON"}}
    assert CHECK_QUALIFICATION.load(body) == body


def test_missing_fields_are_named() -> None:
    assert find_faults({}) == {key: [REQUIRED] for key in ("user_key", "session_key", "user")}
    assert find_faults({}, CHECK_QUALIFICATION) == {"user": [REQUIRED]}
    assert find_faults(build_session(user={})) == {
        f"user.{name}": [REQUIRED] for name in build_user()
    }
    assert find_faults({"user": {}}, CHECK_QUALIFICATION) == {
        "user.birthdate": [REQUIRED],
        "user.region": [REQUIRED],
    }


def test_a_qualification_request_has_only_the_fields_it_needs() -> None:
    unknown = ["Unknown field."]
    assert find_faults(build_session(order={}), CHECK_QUALIFICATION) == {
        "user_key": unknown,
        "session_key": unknown,
        "order": unknown,
        "user.email": unknown,
        "user.first_name": unknown,
        "user.last_name": unknown,
    }


def test_all_faults_are_named_at_once() -> None:
    body = {
        "user_key": "a b",
        "session_key": "session1",
        "user": build_user(email="nobody", last_name=ABSENT, birthdate="1988-02-30"),
        "order": {
            "charged_amount": -1,
            "products": [{"type": "glasses"}, {"type": "acuity-service"}, {"type": "lasik"}, {}],
        },
        "partner_info": "[]",
        "prescriptions": [
            build_contacts(
                issue_date="2017-07-04",
                expiration_date="2017-07-04",
                right_eye={"sphere": -31.0, "axis": 181, "pupillary_distance": 30.0},
                left_eye={"cylinder": -0.25, "dominance": "R"},
            ),
            build_contacts(verification="maybe", right_eye={"add": 0.2}, left_eye=ABSENT),
            build_glasses(right_eye={"axis": 90}, left_eye=ABSENT),
        ],
    }
    axis_alone = "Allowed only with a cylinder that is not zero."
    assert find_faults(body) == {
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


def test_no_fault_repeats_what_was_sent() -> None:
    secret = "Sphinx"
    body = build_session(
        user_key=f"{secret} {secret}",
        user={name: "\u200b" if "name" in name else secret for name in build_user()},
        order={"charged_currency": secret, "charged_amount": -4711, "products": [{"type": secret}]},
        partner_info=secret,
        prescriptions=[
            build_contacts(
                type=secret,
                verification=secret,
                issue_date=secret,
                right_eye={"dominance": secret, "sphere": 4711.0, "axis": 4711},
            )
        ],
    )
    found = find_faults(body)
    assert len(found) == 16
    assert secret not in str(found)
    assert "4711" not in str(found)


@pytest.mark.parametrize("field", ["user_key", "session_key"])
@pytest.mark.parametrize("key", ["a", "Az09._:-", "k" * 64])
def test_a_key_of_1_to_64_allowed_characters_is_accepted(field: str, key: str) -> None:
    assert find_faults(build_session(**{field: key})) == {}


@pytest.mark.parametrize("field", ["user_key", "session_key"])
@pytest.mark.parametrize("key", ["k" * 65, "", "a b", "a/b", "käse", "key\n", "\u0661"])
def test_another_key_is_refused(field: str, key: str) -> None:
    message = ["Must be 1 to 64 of the characters A-Z a-z 0-9 . _ : -"]
    assert find_faults(build_session(**{field: key})) == {field: message}


@pytest.mark.parametrize("path", ["order.products", "prescriptions"])
def test_a_list_of_more_than_20_items_is_refused(path: str) -> None:
    items: list[Values] = [{}] * 21
    body = build_session(prescriptions=items) if path == "prescriptions" else build_session()
    body |= {"order": {"products": items}} if path == "order.products" else {}
    assert find_faults(body) == {path: ["Must not have more than 20 items."]}


def test_a_list_may_have_20_items() -> None:
    assert find_faults(build_session(order={"products": [{"type": "glasses"}] * 20})) == {}


@pytest.mark.parametrize(
    ("store_id", "good"),
    [(ABSENT, True), ("", True), ("store_1234", True), ("store_9999", False), ("x", False)],
)
def test_a_store_must_be_enabled_for_the_partner(store_id: Any, good: bool) -> None:
    expected = [] if good else [("store_id", "Must be an enabled store of this partner.")]
    assert rules.find_store_faults(load_session(store_id=store_id), {"store_1234"}) == expected


@pytest.mark.parametrize("values", [{}, {"user": {}}, {"user": {"region": "US-IL"}}])
def test_missing_values_have_no_faults_of_their_own(values: Values) -> None:
    assert rules.find_date_faults(values, TODAY) == []
    assert rules.find_store_faults(values, ()) == []


def test_statuses_have_the_names_of_the_api() -> None:
    assert [str(status) for status in Status] == [
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
