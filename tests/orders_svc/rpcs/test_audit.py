"""What the audit trail holds of calls to a running service, on both engines."""

from typing import Any

import pytest
from sqlalchemy import func, select

from chassis.errors import WrongState
from orders_svc.store import tables
from protos import orders_pb2 as pb
from tests.chassis.audit.trails import read_entries, wait_for_entries
from tests.orders_svc.bodies import Body, put, request
from tests.serving import USERS, Served, build_basic


def summarize(entry: dict[str, Any]) -> tuple[Any, ...]:
    """Who, what, on what, and how it ended."""
    return tuple(entry[name] for name in ("account", "actor", "rpc", "ids", "outcome"))


def test_a_change_is_recorded_with_itself(orders: Served, order: Body, unique: str) -> None:
    made = orders.call("CreateOrder", request(order), x_request_id=unique)
    (entry,) = read_entries(orders, unique)
    assert summarize(entry) == (
        "demo-client",
        USERS["client"],
        "OrderService/CreateOrder",
        [made.id],
        "OK",
    )
    assert entry["at"].tzinfo is not None


@pytest.mark.parametrize("way", ["with a key", "with further words", "as a draft"])
def test_every_way_of_a_change_has_one_entry(
    orders: Served, order: Body, unique: str, way: str
) -> None:
    key: dict[str, Any] = {"idempotency_key": unique} if way == "with a key" else {}
    if way == "with further words":
        put(order, "patient.last_name", "Smith-Jones")
    mode = "draft" if way == "as a draft" else "submit"
    made = orders.call("CreateOrder", request(order, mode=mode), x_request_id=unique, **key)
    assert [entry["ids"] for entry in read_entries(orders, unique)] == [[made.id]]


def test_a_change_without_its_entry_is_not_made(
    orders: Served, order: Body, unique: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise WrongState("the trail cannot be written")

    monkeypatch.setattr(tables.audit, "add", fail)
    before = orders.rows()
    put(order, "patient.last_name", "Smith-Jones")
    orders.refusal("CreateOrder", request(order), x_request_id=unique)
    monkeypatch.undo()
    assert orders.rows() == before


def test_reads_follow_within_a_second(orders: Served, order: Body, unique: str) -> None:
    made = orders.call("CreateOrder", request(order))
    reads = ("GetOrder", "GetOrderOutline", "GetOrderJob", "GetOrderFhir")
    for rpc in reads:
        asked = getattr(pb, f"{rpc}Request")(order_id=made.id)
        orders.call(rpc, asked, x_request_id=unique)
    found = wait_for_entries(orders, unique, len(reads))
    assert [(each["rpc"], each["ids"]) for each in found] == [
        (f"OrderService/{rpc}", [made.id]) for rpc in reads
    ]


def test_a_search_names_all_that_it_shows(orders: Served, order: Body, unique: str) -> None:
    put(order, "patient.last_name", f"Q{unique}")
    made = [orders.call("CreateOrder", request(order)).id for _ in range(2)]
    sought = pb.SearchOrdersRequest(text=f"q{unique}", limit=10)
    orders.call("SearchOrders", sought, kind="Dashboard", x_request_id=unique)
    (entry,) = wait_for_entries(orders, unique)
    assert sorted(entry["ids"]) == sorted(made)


def test_what_shows_nobody_is_not_recorded(orders: Served, order: Body, unique: str) -> None:
    orders.call("ListLabs", pb.ListLabsRequest(), x_request_id=unique)
    orders.call(
        "ListOrders",
        pb.ListOrdersRequest(lab="lab_123", account_number="1234567"),
        x_request_id=unique,
    )
    last = f"{unique}-last"
    made = orders.call("CreateOrder", request(order))
    orders.call("GetOrder", pb.GetOrderRequest(order_id=made.id), x_request_id=last)
    wait_for_entries(orders, last)
    assert read_entries(orders, unique) == []


def test_staff_is_the_actor_of_the_desk(orders: Served, order: Body, unique: str) -> None:
    made = orders.call("CreateOrder", request(order))
    asked = pb.GetLabOrderRequest(order_id=made.id)
    orders.call("GetLabOrder", asked, "staff", desk=True, x_request_id=unique)
    change = pb.UpdateOrderRequest(order_id=made.id, lab_status="in_progress")
    orders.call("UpdateOrder", change, "staff", desk=True, x_request_id=unique)
    found = sorted(map(summarize, wait_for_entries(orders, unique, 2)), key=lambda each: each[2])
    assert found == [
        ("demo-staff", "staff", "LabDeskService/GetLabOrder", [made.id], "OK"),
        ("demo-staff", "staff", "LabDeskService/UpdateOrder", [made.id], "OK"),
    ]


def test_a_refusal_has_its_reason(orders: Served, order: Body, unique: str) -> None:
    made = orders.call("CreateOrder", request(order))
    asked = pb.GetOrderRequest(order_id=made.id)
    orders.refusal("GetOrder", asked, "other", x_request_id=unique)
    (entry,) = wait_for_entries(orders, unique)
    assert summarize(entry) == (
        "other-client",
        USERS["other"],
        "OrderService/GetOrder",
        [made.id],
        "NOT_FOUND",
    )


def test_a_refused_change_has_its_reason(orders: Served, order: Body, unique: str) -> None:
    orders.refusal("CreateOrder", request(order, mode="wrong"), x_request_id=unique)
    change = pb.UpdateOrderRequest(order_id="ord_x", lab_status="shipped")
    orders.refusal("UpdateOrder", change, desk=True, x_request_id=unique)
    found = {entry["rpc"]: entry for entry in wait_for_entries(orders, unique, 2)}
    invalid = found["OrderService/CreateOrder"]
    assert (invalid["ids"], invalid["outcome"]) == ([], "INVALID")
    assert found["LabDeskService/UpdateOrder"]["outcome"] == "FORBIDDEN"


def test_a_name_that_is_nobodys_is_not_kept(orders: Served, order: Body, unique: str) -> None:
    wrong = {"user_email": f"patient-{unique}@example.com"}
    orders.refusal("CreateOrder", request(order), x_request_id=unique, **wrong)
    orders.refusal("GetOrder", pb.GetOrderRequest(order_id=unique), x_request_id=unique)
    found = wait_for_entries(orders, unique, 2)
    assert sorted((each["outcome"], str(each["actor"]), each["ids"]) for each in found) == [
        ("FORBIDDEN", "None", []),
        ("NOT_FOUND", USERS["client"], []),
    ]


def test_a_stranger_leaves_no_entry(orders: Served, order: Body, unique: str) -> None:
    wrong = {"authorization": build_basic("demo-client", "wrong")}
    orders.refusal("CreateOrder", request(order), x_request_id=unique, **wrong)
    last = f"{unique}-last"
    orders.refusal("CreateOrder", request(order, mode="wrong"), x_request_id=last)
    wait_for_entries(orders, last)
    assert read_entries(orders, unique) == []


def test_a_replay_is_a_read(orders: Served, order: Body, unique: str) -> None:
    for _ in range(2):
        orders.call("CreateOrder", request(order), x_request_id=unique, idempotency_key=unique)
    found = wait_for_entries(orders, unique, 2)
    assert [entry["outcome"] for entry in found] == ["OK", "REPLAYED"]
    assert [len(entry["ids"]) for entry in found] == [1, 0]


def test_another_request_under_a_key_names_no_order(
    orders: Served, order: Body, unique: str
) -> None:
    for _ in range(2):
        orders.call("CreateOrder", request(order), idempotency_key=unique)
    other = request(order, special_instructions="Other")
    orders.refusal("CreateOrder", other, idempotency_key=unique, x_request_id=unique)
    (entry,) = wait_for_entries(orders, unique, 1)
    assert (entry["outcome"], entry["ids"]) == ("IDEMPOTENCY_MISMATCH", [])


def test_a_login_and_a_token_are_recorded(orders: Served, unique: str) -> None:
    login = {"email": USERS["client"], "password": "demo-password", "address": "192.0.2.9"}
    orders.call("LogIn", pb.LogInRequest(**login), "", kind="Dashboard", x_request_id=unique)
    secret = {"client_id": "demo-client", "client_secret": "demo-client-secret"}
    orders.call("CreateToken", pb.CreateTokenRequest(**secret), "", x_request_id=unique)
    session, token = wait_for_entries(orders, unique, 2)
    assert (session["actor"], session["ids"][0][:5]) == (USERS["client"], "user_")
    assert (token["account"], token["rpc"]) == ("demo-client", "OrderService/CreateToken")


def test_no_entry_has_a_content(orders: Served, order: Body, unique: str) -> None:
    put(order, "patient.first_name", "Zebedee")
    put(order, "special_instructions", "Frobnitz")
    made = orders.call("CreateOrder", request(order), x_request_id=unique)
    orders.call("GetOrder", pb.GetOrderRequest(order_id=made.id), x_request_id=unique)
    orders.refusal("CreateOrder", request(order, mode="Zebedee"), x_request_id=unique)
    text = str(wait_for_entries(orders, unique, 3))
    assert "Zebedee" not in text
    assert "Frobnitz" not in text


def test_entries_and_orders_agree(orders: Served, order: Body) -> None:
    for _ in range(5):
        orders.call("CreateOrder", request(order))
    entries = tables.audit.entries
    created = select(func.count()).where(
        entries.c.rpc == "OrderService/CreateOrder", entries.c.outcome == "OK"
    )
    with orders.database.read() as tx:
        count = tx.execute(select(func.count()).select_from(tables.orders)).scalar()
        assert tx.execute(created).scalar() == count
