"""What time alone does to subscriptions, on both engines, also when several turn at once."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from threading import Event
from typing import Any

import pytest

from protos.subscriptions_pb2 import Subscription
from subscriptions_svc.actions.advance_by_time import advance_by_time, create_time_loop
from subscriptions_svc.store.tables import subscriptions as subscriptions_table
from subscriptions_svc.store.transitions import DUE_SUBSCRIPTIONS
from tests.serving import Served, open_database
from tests.subscriptions_svc.shop import (
    activate,
    create_activated,
    create_confirmed,
    get,
    set_status,
    solicit,
)

START = datetime(2026, 3, 1, 12, tzinfo=UTC)
DUE = START + timedelta(days=30)
MOMENT = timedelta(microseconds=1)


def read_state(made: Subscription) -> tuple[str, Any, Any]:
    return (
        made.status,
        made.activated_at.ToDatetime(UTC) if made.HasField("activated_at") else None,
        made.renewal_at.ToDatetime(UTC) if made.HasField("renewal_at") else None,
    )


def read_status(served: Served, subscription_id: str) -> str:
    """The status as somebody has written it."""
    columns = [column.name for column in subscriptions_table.columns]
    rows = (dict(zip(columns, row, strict=True)) for row in served.rows()["subscriptions"])
    return next(str(row["status"]) for row in rows if row["id"] == subscription_id)


def test_thirty_days_after_the_confirmation_the_first_year_begins(
    subscriptions: Served, body: Any
) -> None:
    with subscriptions.clock.at(START):
        made = create_confirmed(subscriptions, body)
    advance_by_time(subscriptions.database, DUE - MOMENT)
    assert get(subscriptions, made.id).status == "activating"
    advance_by_time(subscriptions.database, DUE + timedelta(days=3))
    with subscriptions.clock.at(DUE):
        found = get(subscriptions, made.id)
    # As if somebody had looked in time; the day two years on is Madrid's.
    assert read_state(found) == ("active", DUE, datetime(2028, 3, 30, 22, tzinfo=UTC))
    whole = found.last_persisted_cart.cart_items[0]
    assert whole.status == "pending"
    assert found.available_actions.activate_product
    assert activate(subscriptions, made.id, whole.reference_uuid).status == "active"
    assert get(subscriptions, made.id).activated_at == found.activated_at


def test_what_was_handed_over_before_keeps_its_moment(subscriptions: Served, body: Any) -> None:
    made = create_activated(subscriptions, body, START)
    advance_by_time(subscriptions.database, DUE)
    assert get(subscriptions, made.id).activated_at == made.activated_at


def test_an_active_one_is_finished_when_its_months_are_over(
    subscriptions: Served, body: Any
) -> None:
    made = create_activated(subscriptions, body, START)
    over = made.renewal_at.ToDatetime(UTC)
    advance_by_time(subscriptions.database, over - MOMENT)
    assert read_status(subscriptions, made.id) == "active"
    with subscriptions.clock.at(over):
        assert get(subscriptions, made.id).status == "finished"
        assert read_status(subscriptions, made.id) == "active"
        advance_by_time(subscriptions.database, over)
        assert get(subscriptions, made.id).status == "finished"
    assert read_status(subscriptions, made.id) == "finished"


@pytest.mark.parametrize("status", ["draft", "sent", "waiting_for_payment", "cancelled"])
def test_all_others_stay_as_they_are(subscriptions: Served, body: Any, status: str) -> None:
    made = solicit(subscriptions, body)
    set_status(subscriptions, made.id, status)
    advance_by_time(subscriptions.database, START + timedelta(days=4000))
    assert read_status(subscriptions, made.id) == status


def test_a_second_turn_changes_nothing(subscriptions: Served, body: Any) -> None:
    with subscriptions.clock.at(START):
        create_confirmed(subscriptions, body)
    assert advance_by_time(subscriptions.database, DUE) >= 1
    before = subscriptions.rows()
    assert advance_by_time(subscriptions.database, DUE) == 0
    assert subscriptions.rows() == before


def test_several_turns_at_once_move_each_once(subscriptions: Served, body: Any) -> None:
    """Each in a database of its own, as replicas are; a few at a time, so that they meet."""
    advance_by_time(subscriptions.database, DUE)  # whatever other tests have left
    with subscriptions.clock.at(START):
        made = [create_confirmed(subscriptions, body).id for _ in range(20)]
    url = subscriptions.database.url.render_as_string(hide_password=False)
    replicas = [subscriptions.database]
    if not subscriptions.database.is_sqlite:  # an SQLite file has one process
        replicas += [open_database(url) for _ in range(3)]

    def take_turn(index: int) -> int:
        return advance_by_time(replicas[index % len(replicas)], DUE, batch=3)

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(take_turn, range(8))) == len(made)
    assert {get(subscriptions, id_).status for id_ in made} == {"active"}
    for replica in replicas[1:]:
        replica.close()


def test_it_turns_by_itself_until_it_is_stopped(subscriptions: Served, body: Any) -> None:
    with subscriptions.clock.at(START):
        made = create_confirmed(subscriptions, body)
    looked, fails = Event(), iter([True])

    def now() -> datetime:
        if next(fails, False):
            raise OSError("the first turn fails")
        looked.set()
        return DUE

    works = create_time_loop(subscriptions.database, now, seconds=0.01)
    works.start()
    assert looked.wait(10)
    works.stop()
    assert get(subscriptions, made.id).status in ("active", "finished")


def test_due_rows_are_found_by_an_index_for_each_move(subscriptions: Served) -> None:
    database = subscriptions.database
    compiled = DUE_SUBSCRIPTIONS.compile(database.engine)
    values = {**compiled.params, "now": str(DUE), "confirmed_by": str(START), "limit": 200}
    with database.write() as tx:
        if database.is_sqlite:
            sent: Any = tuple(values[name] for name in compiled.positiontup or ())
            plan = tx.exec_driver_sql(f"EXPLAIN QUERY PLAN {compiled}", sent)
        else:
            tx.exec_driver_sql("SET LOCAL enable_seqscan = off")  # the table is small
            plan = tx.exec_driver_sql(f"EXPLAIN {compiled}", values)
        told = " ".join(str(row) for row in plan)
    assert "ix_subscriptions_activating" in told
    assert "ix_subscriptions_active " in told
