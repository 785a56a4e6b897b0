"""What time alone does to subscriptions, on both engines, also when several turn at once."""

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from threading import Event
from typing import Any

import pytest

from chassis.store.database import Database
from protos.subscriptions_pb2 import Subscription
from subscriptions_svc import clockwork, moves
from subscriptions_svc.clockwork import Clockwork, turn
from subscriptions_svc.store import subscriptions as subscriptions_table
from tests.serving import Served
from tests.subscriptions_svc.shop import (
    activate,
    activated,
    confirmed,
    end,
    get,
    solicited,
)

START = datetime(2026, 3, 1, 12, tzinfo=UTC)
DUE = START + timedelta(days=30)
MOMENT = timedelta(microseconds=1)


def state(made: Subscription) -> tuple[str, Any, Any]:
    return (
        made.status,
        made.activated_at.ToDatetime(UTC) if made.HasField("activated_at") else None,
        made.renewal_at.ToDatetime(UTC) if made.HasField("renewal_at") else None,
    )


def written(served: Served, subscription_id: str) -> str:
    """The status as somebody has written it."""
    columns = [column.name for column in subscriptions_table.columns]
    rows = (dict(zip(columns, row, strict=True)) for row in served.rows()["subscriptions"])
    return next(str(row["status"]) for row in rows if row["id"] == subscription_id)


def test_thirty_days_after_the_confirmation_the_first_year_begins(
    subscriptions: Served, body: Any
) -> None:
    with subscriptions.clock.at(START):
        made = confirmed(subscriptions, body)
    turn(subscriptions.database, DUE - MOMENT)
    assert get(subscriptions, made.id).status == "activating"
    turn(subscriptions.database, DUE + timedelta(days=3))
    with subscriptions.clock.at(DUE):
        found = get(subscriptions, made.id)
    # As if somebody had looked in time; the day two years on is Madrid's.
    assert state(found) == ("active", DUE, datetime(2028, 3, 30, 22, tzinfo=UTC))
    whole = found.last_persisted_cart.cart_items[0]
    assert whole.status == "pending"
    assert found.available_actions.activate_product
    assert activate(subscriptions, made.id, whole.reference_uuid).status == "active"
    assert get(subscriptions, made.id).activated_at == found.activated_at


def test_what_was_handed_over_before_keeps_its_moment(subscriptions: Served, body: Any) -> None:
    made = activated(subscriptions, body, START)
    turn(subscriptions.database, DUE)
    assert get(subscriptions, made.id).activated_at == made.activated_at


def test_an_active_one_is_finished_when_its_months_are_over(
    subscriptions: Served, body: Any
) -> None:
    made = activated(subscriptions, body, START)
    over = made.renewal_at.ToDatetime(UTC)
    turn(subscriptions.database, over - MOMENT)
    assert written(subscriptions, made.id) == "active"
    with subscriptions.clock.at(over):
        assert get(subscriptions, made.id).status == "finished"
        assert written(subscriptions, made.id) == "active"
        turn(subscriptions.database, over)
        assert get(subscriptions, made.id).status == "finished"
    assert written(subscriptions, made.id) == "finished"


@pytest.mark.parametrize("status", ["draft", "sent", "waiting_for_payment", "cancelled"])
def test_all_others_stay_as_they_are(subscriptions: Served, body: Any, status: str) -> None:
    made = solicited(subscriptions, body)
    end(subscriptions, made.id, status)
    turn(subscriptions.database, START + timedelta(days=4000))
    assert written(subscriptions, made.id) == status


def test_a_second_turn_changes_nothing(subscriptions: Served, body: Any) -> None:
    with subscriptions.clock.at(START):
        confirmed(subscriptions, body)
    assert turn(subscriptions.database, DUE) >= 1
    before = subscriptions.rows()
    assert turn(subscriptions.database, DUE) == 0
    assert subscriptions.rows() == before


def test_several_turns_at_once_move_each_once(
    subscriptions: Served, body: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each in a database of its own, as replicas are; a few at a time, so that they meet."""
    monkeypatch.setattr(moves, "SOME", 3)
    monkeypatch.setattr(moves, "_DUE", moves._DUE.limit(3))
    with subscriptions.clock.at(START):
        made = [confirmed(subscriptions, body).id for _ in range(20)]
    url = subscriptions.database.url.render_as_string(hide_password=False)
    replicas = [subscriptions.database]
    if not subscriptions.database.is_sqlite:  # an SQLite file has one process
        replicas += [Database(url) for _ in range(3)]
    moved: Counter[str] = Counter()
    by_time = moves.by_time

    def counted(tx: Any, row: Any, now: datetime) -> bool:
        done = by_time(tx, row, now)
        moved[row.id] += done
        return done

    monkeypatch.setattr(moves, "by_time", counted)
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda each: turn(replicas[each % len(replicas)], DUE), range(8)))
    assert {id_: moved[id_] for id_ in made} == dict.fromkeys(made, 1)
    assert {get(subscriptions, id_).status for id_ in made} == {"active"}
    for replica in replicas[1:]:
        replica.close()


def test_it_turns_by_itself_until_it_is_stopped(
    subscriptions: Served, body: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(clockwork, "EVERY", 0.01)
    with subscriptions.clock.at(START):
        made = confirmed(subscriptions, body)
    looked, fails = Event(), iter([True])

    def now() -> datetime:
        if next(fails, False):
            raise OSError("the first turn fails")
        looked.set()
        return DUE

    works = Clockwork(subscriptions.database, now)
    works.start()
    assert looked.wait(10)
    works.stop()
    assert get(subscriptions, made.id).status in ("active", "finished")


def test_what_is_due_is_found_by_an_index_for_each_move(subscriptions: Served) -> None:
    database = subscriptions.database
    compiled = moves._DUE.compile(database.engine)
    values = {**compiled.params, "now": str(DUE), "confirmed_by": str(START)}
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
