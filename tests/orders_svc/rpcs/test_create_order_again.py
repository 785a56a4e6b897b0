"""CreateOrder with an idempotency key: one key, one effect."""

from datetime import timedelta
from typing import Any

import grpc
import pytest
from grpc import StatusCode
from sqlalchemy import select, update

from chassis.context import utc_now
from chassis.errors import IDEMPOTENCY_MISMATCH, Fault
from orders_svc.store import tables
from protos.orders_pb2 import CreateOrderRequest, SubmitOrderRequest
from protos.orders_pb2_grpc import OrderServiceStub
from tests.chassis.logs import capture_log
from tests.orders_svc.bodies import Body, request
from tests.serving import PEOPLE, USERS, Served, build_basic

USED = (Fault("Idempotency-Key", "Was used for another request; use a new key."),)


def create_with_key(orders: Served, sent: CreateOrderRequest, key: str) -> tuple[Any, bool]:
    """Return the answer, and whether it is marked as a replay."""
    metadata = [
        ("authorization", build_basic(PEOPLE["orders"]["client"])),
        ("user-email", USERS["client"]),
        ("idempotency-key", key),
    ]
    stub: Any = OrderServiceStub(orders.channel)
    answer, call = stub.CreateOrder.with_call(sent, metadata=metadata, timeout=10)
    return answer, ("idempotent-replayed", "true") in call.trailing_metadata()


def test_it_works(orders: Served, order: Body, unique: str) -> None:
    sent = request(order, mode="draft")
    with capture_log() as lines:
        first, replayed = create_with_key(orders, sent, unique)
        assert not replayed
        kept = orders.rows()
        for _ in range(3):
            assert create_with_key(orders, sent, unique) == (first, True)
    assert orders.rows() == kept
    assert [line.get("replayed") for line in lines()] == [None, True, True, True]


def test_without_a_key_each_call_is_an_order(orders: Served, order: Body) -> None:
    assert orders.call("CreateOrder", request(order)) != orders.call("CreateOrder", request(order))


def test_the_key_of_another_request_is_refused(orders: Served, order: Body, unique: str) -> None:
    create_with_key(orders, request(order), unique)
    kept = orders.rows()
    others: list[Body] = [{"special_instructions": "Other"}, {"mode": "maybe"}, {"services": []}]
    for changes in others:
        sent = request(order, **changes)
        failure = orders.refusal("CreateOrder", sent, idempotency_key=unique)
        assert (failure.code, failure.reason) == (StatusCode.INVALID_ARGUMENT, IDEMPOTENCY_MISMATCH)
        assert failure.faults == USED
    assert orders.rows() == kept
    assert create_with_key(orders, request(order), unique)[1]


def test_a_key_is_one_accounts_own(orders: Served, order: Body, unique: str) -> None:
    first, _ = create_with_key(orders, request(order), unique)
    with orders.database.write() as tx:
        ids = tables.accounts.ids(tx)
        mine = tables.users.c.email == USERS["other"]
        user = tx.execute(select(tables.users.c.id).where(mine)).scalar_one()
        row = {"user_id": user, "lab_id": "lab_123", "account_number": "1234567"}
        tx.execute(tables.user_labs.insert().values(row))
    second = orders.call("CreateOrder", request(order), "other", idempotency_key=unique)
    assert second.id != first.id
    owners = {row[0]: row[1] for row in orders.rows()["orders"]}
    assert [owners[first.id], owners[second.id]] == [ids["demo-client"], ids["other-client"]]


def test_a_key_is_one_users_own(orders: Served, order: Body, unique: str) -> None:
    sent = request(order, lab="lab_456", account_number="7654321", order_type="frame")
    for block in ("lens", "rx"):
        sent.ClearField(block)
    create_with_key(orders, sent, unique)
    second = {"user_email": "second@example.com", "idempotency_key": unique}
    assert orders.refusal("CreateOrder", sent, **second).faults == USED


def test_a_key_is_one_rpcs_own(orders: Served, order: Body, unique: str) -> None:
    draft = orders.call("CreateOrder", request(order, mode="draft"))
    submission = SubmitOrderRequest(order_id=draft.id)
    submitted = orders.call("SubmitOrder", submission, idempotency_key=unique)
    created, replayed = create_with_key(orders, request(order), unique)
    assert not replayed
    assert created.id != draft.id
    assert orders.call("SubmitOrder", submission, idempotency_key=unique) == submitted
    assert create_with_key(orders, request(order), unique) == (created, True)


@pytest.mark.parametrize("key", ["!", "~" * 255, '{"a":"b"}', "a,b;c=d"])
def test_a_key_is_visible_ascii(orders: Served, order: Body, key: str, unique: str) -> None:
    own = (key + unique)[:255] if len(key) < 200 else key
    assert create_with_key(orders, request(order), own)[1] is False
    assert create_with_key(orders, request(order), own)[1] is True


@pytest.mark.parametrize("key", ["", " ", "a b", "x" * 256, " a", "a "])
def test_a_malformed_key_is_refused(orders: Served, order: Body, key: str) -> None:
    kept = orders.rows()
    failure = orders.refusal("CreateOrder", request(order), idempotency_key=key)
    assert (failure.code, failure.reason) == (StatusCode.INVALID_ARGUMENT, "INVALID")
    assert failure.faults == (Fault("Idempotency-Key", "Must be 1-255 visible ASCII characters."),)
    assert orders.rows() == kept


def test_a_key_of_other_letters_does_not_leave_the_client(orders: Served, order: Body) -> None:
    with pytest.raises((ValueError, grpc.RpcError)):
        create_with_key(orders, request(order), "clé")


def test_a_refusal_is_not_kept(orders: Served, order: Body, unique: str) -> None:
    kept = orders.rows()
    for _ in range(2):
        failure = orders.refusal("CreateOrder", request(order, mode="x"), idempotency_key=unique)
        assert [fault.path for fault in failure.faults] == ["mode"]
    assert orders.rows() == kept
    assert create_with_key(orders, request(order), unique)[1] is False


def test_nobody_learns_what_was_answered(orders: Served, order: Body, unique: str) -> None:
    create_with_key(orders, request(order), unique)
    wrong = {"authorization": build_basic("demo-client", "wrong"), "idempotency_key": unique}
    failure = orders.refusal("CreateOrder", request(order), **wrong)
    assert failure.code is StatusCode.UNAUTHENTICATED


def test_a_key_expires_after_a_day(orders: Served, order: Body, unique: str) -> None:
    keys = tables.metadata.tables["idempotency_keys"]
    first, _ = create_with_key(orders, request(order), unique)
    with orders.database.write() as tx:
        (row,) = tx.execute(select(keys).where(keys.c.key == unique))
        assert timedelta(hours=23) < row.expires_at - utc_now() <= timedelta(hours=24)
        past = utc_now() - timedelta(seconds=1)
        tx.execute(update(keys).where(keys.c.key == unique).values(expires_at=past))
    second, replayed = create_with_key(orders, request(order, services=[]), unique)
    assert (first.id != second.id, replayed) == (True, False)
    assert create_with_key(orders, request(order, services=[]), unique) == (second, True)


def test_expired_keys_are_deleted(orders: Served, order: Body, unique: str) -> None:
    create_with_key(orders, request(order), unique)
    with orders.database.write() as tx:
        assert tables.idempotency_keys.delete_expired(tx, utc_now()) == 0
        assert tables.idempotency_keys.delete_expired(tx, utc_now() + timedelta(hours=24)) >= 1
    assert orders.rows()["idempotency_keys"] == []
