"""The schemas of events: one for each type, valid, and true of their own examples."""

import json
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator, ValidationError

from chassis.events.formats import FORM_TYPE
from chassis.events.outbox import TEST
from orders_svc.documents import events as of_orders
from sessions_svc.rules.statuses import EVENT_TYPES, Status, choose_event_type
from subscriptions_svc.documents import events as of_subscriptions
from tests.event_schemas import FOLDER, check_event, read_validator

TYPES = {
    "sessions": EVENT_TYPES,
    "orders": of_orders.EVENT_TYPES,
    "subscriptions": of_subscriptions.EVENT_TYPES,
}
FILES = sorted(FOLDER.rglob("*.json"))


def read(path: Path) -> dict[str, Any]:
    schema: dict[str, Any] = json.loads(path.read_text())
    return schema


def test_each_type_has_one() -> None:
    found = {(path.parent.name, read(path)["title"]) for path in FILES}
    expected = {(api, kind) for api, kinds in TYPES.items() for kind in (*kinds, TEST)}
    assert found == expected
    assert len(FILES) == len(expected)


@pytest.mark.parametrize("path", FILES, ids=lambda path: f"{path.parent.name}-{path.stem}")
def test_it_is_valid_and_so_is_its_example(path: Path) -> None:
    schema = read(path)
    Draft202012Validator.check_schema(schema)
    assert schema["$id"] == f"/openapi/events/{path.parent.name}/{path.name}"
    for each in schema["examples"]:
        read_validator(path.parent.name, schema["title"]).validate(each)


def test_every_status_that_events_report_is_in_one_schema() -> None:
    reported: list[str] = []
    for kind in EVENT_TYPES:
        reported += read(FOLDER / "sessions" / f"{kind}.json")["properties"]["status"]["enum"]
    # The event of a completed acuity session has no status.
    expected = {each for each in Status if choose_event_type(each)} - {Status.COMPLETED}
    assert sorted(reported) == sorted(expected)


def test_another_event_is_not_valid() -> None:
    body = (
        "charset=UTF-8&utf=x&event=subscriptions%2Fcreated&event_id=e&order_ref=o&order_ref_1=r"
        "&order_ref_2="
    )
    check_event("subscriptions", "subscriptions/created", FORM_TYPE, f"{body}&contract_number=1")
    for wrong in (body, f"{body}&contract_number=1&sphere=1"):
        with pytest.raises(ValidationError):
            check_event("subscriptions", "subscriptions/created", FORM_TYPE, wrong)
    with pytest.raises(ValidationError):
        check_event("orders", "order.submitted", "application/json", '{"type": "order.submitted"}')
