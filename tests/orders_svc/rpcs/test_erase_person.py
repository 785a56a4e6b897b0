"""ErasePerson and ExportPerson: what is kept of a patient, on both engines."""

import json
from typing import Any

import pytest
from grpc import StatusCode
from sqlalchemy import update

from orders_svc.store import tables
from protos import orders_pb2 as pb
from tests.chassis.audit.trails import read_entries, wait_for_entries
from tests.orders_svc.bodies import Body, put, request
from tests.orders_svc.rpcs.test_get_order import fetch_order
from tests.serving import Served


def build_canary(unique: str) -> str:
    """A word that is in no other test's rows."""
    return f"Qz{unique[:12]}"


def build_private(order: Body, unique: str) -> Body:
    """The example with a canary in each personal field."""
    canary = build_canary(unique)
    order["patient"] = {
        "first_name": f"{canary}a",
        "last_name": f"{canary}b Smith-Jones",
        "email": f"{canary}.{unique}@example.com",
        "phone_number": "+1 (555) 010-7731",
    }
    put(order, "special_instructions", f"{canary}c")
    put(order, "shipping.name", f"{canary}d")
    put(order, "shipping.address.line1", f"{canary}e")
    put(order, "rx.left_eye.sphere", -7.77)
    return order


def set_status(orders: Served, order_id: str, status: str = "shipped") -> None:
    """Set the status of an order."""
    with orders.database.write() as tx:
        this = tables.orders.c.id == order_id
        tx.execute(update(tables.orders).where(this).values(lab_status=status))


def erase(orders: Served, **fields: Any) -> pb.ErasePersonResponse:
    """Erase a person as staff."""
    trailers = {name: fields.pop(name) for name in ("x_request_id",) if name in fields}
    asked = pb.ErasePersonRequest(**fields)
    answer: pb.ErasePersonResponse = orders.call(
        "ErasePerson", asked, "staff", desk=True, **trailers
    )
    return answer


def dump(orders: Served) -> str:
    """Every row of the store, as text."""
    return "\n".join(
        repr([bytes(value) if isinstance(value, memoryview) else value for value in row])
        for rows in orders.rows().values()
        for row in rows
    )


def test_it_works(orders: Served, order: Body, unique: str) -> None:
    canary, sent = build_canary(unique), build_private(order, unique)
    made = orders.call("CreateOrder", request(sent), idempotency_key=unique)
    set_status(orders, made.id)
    assert canary in dump(orders)
    before = {name: len(rows) for name, rows in orders.rows().items()}

    email = sent["patient"]["email"]
    assert erase(orders, email=email.upper(), x_request_id=unique).erased == 1
    text = dump(orders)
    assert canary not in text
    assert canary.lower() not in text

    after = {name: len(rows) for name, rows in orders.rows().items()}
    assert after == {**before, "name_words": after["name_words"]}
    found = fetch_order(orders, made.id)
    assert (found.lab_status, found.lens.style) == ("shipped", sent["lens"]["style"])
    assert found.patient == pb.Patient(first_name="", last_name="")
    assert not found.HasField("rx")
    assert not (found.warnings)
    assert not (found.special_instructions)
    (entry,) = read_entries(orders, unique)
    assert (entry["rpc"], entry["ids"]) == ("LabDeskService/ErasePerson", [made.id])


def test_the_life_of_an_order_is_exported_and_erased(
    orders: Served, order: Body, unique: str
) -> None:
    canary, sent = build_canary(unique), build_private(order, unique)
    order_id = orders.call("CreateOrder", request(sent)).id
    key: dict[str, Any] = {"idempotency_key": unique}
    change = {"order_id": order_id, "lab_status": "in_progress", "lab_word": f"{canary}f"}
    orders.call("UpdateOrder", pb.UpdateOrderRequest(**change), "staff", desk=True)
    orders.call("CancelOrder", pb.CancelOrderRequest(order_id=order_id), **key)
    asked = pb.CreateTrackingLinkRequest(order_id=order_id, send=True)
    url = orders.call("CreateTrackingLink", asked).url
    answer = pb.AnswerCancelRequestRequest(order_id=order_id, accepted=True, reason=f"{canary}g")
    orders.call("AnswerCancelRequest", answer, "staff", desk=True)
    before = fetch_order(orders, order_id)

    named = pb.ExportPersonRequest(email=sent["patient"]["email"])
    exported = json.loads(orders.call("ExportPerson", named, "staff", desk=True).document)
    assert [each["lab_word"] for each in exported["history"]] == [
        f"{canary}f",
        None,
        f"{canary}g",
    ]
    (message,) = exported["messages"]
    assert url in message["content"]["text"]

    erase(orders, email=sent["patient"]["email"])
    assert canary not in dump(orders)
    assert url[-43:] not in dump(orders)
    tracked = pb.GetTrackedOrderRequest(code=url[-43:])
    failure = orders.refusal("GetTrackedOrder", tracked, "", kind="Tracking")
    assert failure.code is StatusCode.NOT_FOUND
    after = fetch_order(orders, order_id)
    assert [each.event for each in after.history] == [each.event for each in before.history]
    assert (after.version, after.cancellation.reason) == (before.version + 1, "")
    again = orders.call("CancelOrder", pb.CancelOrderRequest(order_id=order_id), **key)
    assert (again.id, again.patient, list(again.history)) == (order_id, pb.Patient(), [])
    with orders.database.read() as tx:
        waiting = tables.messages.select().where(tables.messages.c.order_id == order_id)
        (row,) = tx.execute(waiting)
    assert (row.content, row.due_at, row.outcome) == (None, None, "failed")


def test_an_erased_order_is_still_read_in_every_way(
    orders: Served, order: Body, unique: str
) -> None:
    sent = build_private(order, unique)
    made = orders.call("CreateOrder", request(sent))
    set_status(orders, made.id)
    erase(orders, email=sent["patient"]["email"])
    asked = {"order_id": made.id}
    for rpc in ("GetOrder", "GetOrderOutline", "GetOrderJob"):
        orders.call(rpc, getattr(pb, f"{rpc}Request")(**asked))
    for rpc in ("GetLabOrder", "GetLabOrderJob"):
        orders.call(rpc, getattr(pb, f"{rpc}Request")(**asked), "staff", desk=True)
    orders.call("GetReview", pb.GetReviewRequest(**asked), kind="Dashboard")
    failure = orders.refusal("GetOrderFhir", pb.GetOrderFhirRequest(**asked))
    assert failure.code is StatusCode.NOT_FOUND
    sought = pb.SearchOrdersRequest(text="smith", limit=100)
    listed = orders.call("SearchOrders", sought, kind="Dashboard")
    assert made.id not in {row.id for row in listed.data}


def test_a_repeat_after_the_erasure_has_no_second_effect(
    orders: Served, order: Body, unique: str
) -> None:
    sent = build_private({**order, "mode": "draft"}, unique)
    made = orders.call("CreateOrder", request(sent))
    codes = [warning.code for warning in made.warnings]
    submitted = pb.SubmitOrderRequest(order_id=made.id, acknowledged_warnings=codes)
    first = orders.call("SubmitOrder", submitted, idempotency_key=unique)
    assert first.patient.first_name == f"{build_canary(unique)}a"
    set_status(orders, made.id)
    erase(orders, email=sent["patient"]["email"])
    again = orders.call("SubmitOrder", submitted, idempotency_key=unique)
    assert (again.id, again.lab_status) == (first.id, first.lab_status)
    assert build_canary(unique) not in str(again)


@pytest.mark.parametrize(
    "status", ["draft", "pending_transmission", "submitted", "in_progress", "on_hold"]
)
def test_what_is_at_work_is_erased_only_on_request(
    orders: Served, order: Body, unique: str, status: str
) -> None:
    sent = build_private(order, unique)
    ids = [orders.call("CreateOrder", request(sent)).id for _ in range(2)]
    set_status(orders, ids[0])
    set_status(orders, ids[1], status)
    email = sent["patient"]["email"]
    before = orders.rows()
    asked = pb.ErasePersonRequest(email=email)
    failure = orders.refusal("ErasePerson", asked, "staff", desk=True)
    assert (failure.code, failure.reason) == (StatusCode.FAILED_PRECONDITION, "OPEN")
    assert orders.rows() == before
    assert erase(orders, email=email, include_open=True).erased == 2


def test_export_has_all_of_a_person_and_nobody_else(
    orders: Served, order: Body, unique: str
) -> None:
    sent = build_private(order, unique)
    made = orders.call("CreateOrder", request(sent))
    put(order, "patient.email", f"other.{unique}@example.com")
    orders.call("CreateOrder", request(order))
    asked = pb.ExportPersonRequest(email=f"{build_canary(unique)}.{unique}@example.com")
    answer = orders.call("ExportPerson", asked, "staff", desk=True, x_request_id=unique)
    (exported,) = json.loads(answer.document)["orders"]
    assert exported["id"] == made.id
    assert exported["document"]["rx"]["left_eye"]["sphere"] == -7.77
    (entry,) = wait_for_entries(orders, unique)
    assert (entry["rpc"], entry["ids"]) == ("LabDeskService/ExportPerson", [made.id])


@pytest.mark.parametrize("phone", ["15550107731", "+1-555-010-7731", "001 555 0107731"])
def test_phones_are_compared_by_their_digits(
    orders: Served, order: Body, unique: str, phone: str
) -> None:
    made = orders.call("CreateOrder", request(build_private(order, unique)))
    asked = pb.ExportPersonRequest(phone=phone, client="demo-client")
    answer = orders.call("ExportPerson", asked, "staff", desk=True)
    assert made.id in answer.document
    asked = pb.ExportPersonRequest(phone=phone, client="other-client")
    failure = orders.refusal("ExportPerson", asked, "staff", desk=True)
    assert failure.code is StatusCode.NOT_FOUND


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"email": "a@example.com", "phone": "1"},
        {"client": "demo-client"},
        {"email": "x" * 255},
        {"email": "\0"},
        {"email": " "},
        {"phone": "---"},
    ],
)
@pytest.mark.parametrize("rpc", ["ExportPerson", "ErasePerson"])
def test_a_person_is_named_in_one_way(orders: Served, rpc: str, fields: dict[str, str]) -> None:
    before = orders.rows()
    asked = getattr(pb, f"{rpc}Request")(**fields)
    failure = orders.refusal(rpc, asked, "staff", desk=True)
    assert (failure.code, bool(failure.faults)) == (StatusCode.INVALID_ARGUMENT, True)
    assert orders.rows() == before


@pytest.mark.parametrize("rpc", ["ExportPerson", "ErasePerson"])
def test_only_staff_may(orders: Served, rpc: str) -> None:
    asked = getattr(pb, f"{rpc}Request")(email="a@example.com")
    for who, code in (("client", "PERMISSION_DENIED"), ("", "UNAUTHENTICATED")):
        assert orders.refusal(rpc, asked, who, desk=True).code.name == code
