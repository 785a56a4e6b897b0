"""What is kept of a customer changes field by field, with its search words and its event."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from google.protobuf.json_format import MessageToDict

from protos.subscriptions_pb2 import ListSubscriptionsRequest, UpdateCustomerInfoRequest
from subscriptions_svc.store.tables import subscriptions as table
from tests.serving import Served
from tests.subscriptions_svc.shop import create_confirmed, get, set_status, solicit


def build_update(id_: str, **fields: str) -> UpdateCustomerInfoRequest:
    return UpdateCustomerInfoRequest(subscription_id=id_, **fields)


def find(served: Served, search: str) -> list[str]:
    request = ListSubscriptionsRequest(search=search)
    return [each.id for each in served.call("ListSubscriptions", request).data]


def read_row(served: Served, id_: str) -> dict[str, Any]:
    columns = [column.name for column in table.columns]
    rows = (dict(zip(columns, row, strict=True)) for row in served.rows()["subscriptions"])
    return next(row for row in rows if row["id"] == id_)


def test_sent_fields_change_and_others_stay(subscriptions: Served, body: Any, unique: str) -> None:
    made = create_confirmed(subscriptions, body)
    surname = f"X{unique}"
    request = build_update(made.id, surnames=surname, mobile_phone="611222333", city="Girona")
    answer = subscriptions.call("UpdateCustomerInfo", request)
    assert answer == get(subscriptions, made.id)
    assert MessageToDict(answer.customer, preserving_proto_field_name=True) == {
        "given_names": "John",
        "surnames": surname,
        "email": "john@example.com",
        "phone": "611222333",
        "full_name": f"John {surname}",
    }
    row = read_row(subscriptions, made.id)
    assert (row["city"], row["nin"]) == ("Girona", "12345678Z")
    assert find(subscriptions, surname) == find(subscriptions, f"222333 {surname}") == [made.id]
    assert find(subscriptions, f"959234 {made.reference}") == []
    assert find(subscriptions, made.reference) == [made.id]


def test_an_identity_is_checked_as_it_will_be(subscriptions: Served, body: Any) -> None:
    made = solicit(subscriptions, body)
    request = build_update(made.id, date_of_birth="2001-01-02")
    failure = subscriptions.refusal("UpdateCustomerInfo", request)
    assert [fault.path for fault in failure.faults] == ["nin_control"]
    request = build_update(
        made.id, date_of_birth="2001-01-02", nin_control="0101022F", nin="x-1234567-l"
    )
    subscriptions.call("UpdateCustomerInfo", request)
    row = read_row(subscriptions, made.id)
    assert (row["nin"], str(row["date_of_birth"])) == ("X1234567L", "2001-01-02")


@pytest.mark.parametrize(
    ("field", "wrong"),
    [
        ("email", "nobody"),
        ("mobile_phone", "12"),
        ("date_of_birth", "2999-01-01"),
        ("date_of_birth", "today"),
        ("nin", "12345678A"),
        ("nin_control", "0012209M"),
    ],
)
def test_a_wrong_field_is_invalid_and_nothing_changes(
    subscriptions: Served, body: Any, field: str, wrong: str
) -> None:
    made = solicit(subscriptions, body)
    before = subscriptions.rows()
    request = build_update(made.id, given_names="Jane", **{field: wrong})
    failure = subscriptions.refusal("UpdateCustomerInfo", request)
    assert failure.reason == "INVALID"
    assert field in [fault.path for fault in failure.faults]
    assert subscriptions.rows() == before


def test_long_and_missing_fields_are_malformed(subscriptions: Served, body: Any) -> None:
    made = solicit(subscriptions, body)
    for fields in ({"city": "x" * 256}, {}):
        failure = subscriptions.refusal("UpdateCustomerInfo", build_update(made.id, **fields))
        assert failure.reason == "MALFORMED"


@pytest.mark.parametrize("status", ["cancelled", "finished"])
def test_after_the_end_nothing_changes(subscriptions: Served, body: Any, status: str) -> None:
    made = solicit(subscriptions, body)
    set_status(subscriptions, made.id, status)
    assert not get(subscriptions, made.id).available_actions.update_customer_info
    request = build_update(made.id, city="Girona")
    assert subscriptions.refusal("UpdateCustomerInfo", request).reason == "NOT_ALLOWED"


def test_two_callers_at_once_lose_nothing(subscriptions: Served, body: Any) -> None:
    made = solicit(subscriptions, body)
    changes = [{"given_names": "Ana"}, {"surnames": "Gil"}, {"city": "Vic"}, {"address": "C 1"}]
    with ThreadPoolExecutor(4) as pool:
        list(
            pool.map(
                lambda fields: subscriptions.call(
                    "UpdateCustomerInfo", build_update(made.id, **fields)
                ),
                changes,
            )
        )
    row = read_row(subscriptions, made.id)
    assert {name: row[name] for each in changes for name in each} == {
        name: value for each in changes for name, value in each.items()
    }


def test_a_repeated_key_has_one_answer(subscriptions: Served, body: Any, unique: str) -> None:
    made = solicit(subscriptions, body)
    first, second = (build_update(made.id, city=city) for city in ("Vic", "Olot"))
    told = subscriptions.call("UpdateCustomerInfo", first, idempotency_key=unique)
    subscriptions.call("UpdateCustomerInfo", second)
    assert subscriptions.call("UpdateCustomerInfo", first, idempotency_key=unique) == told
    assert read_row(subscriptions, made.id)["city"] == "Olot"
