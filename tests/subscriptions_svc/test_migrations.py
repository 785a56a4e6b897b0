"""Subscriptions of an older version are what they were, on both engines."""

from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import text

from chassis.store.migrations import find_schema_differences, migrate
from protos.subscriptions_pb2 import ListSubscriptionsRequest
from subscriptions_svc.definition import SERVICE
from tests.serving import Served, to_version
from tests.subscriptions_svc.shop import (
    activate,
    build_delivery,
    create_confirmed,
    list_lenses,
    solicit,
)


def search_ids(served: Served, search: str) -> list[str]:
    answer = served.call("ListSubscriptions", ListSubscriptionsRequest(search=search))
    return [each.id for each in answer.data]


def test_a_reference_without_words_blocks_nothing(start: Any, engine: str, body: Any) -> None:
    served = start("subscriptions", engine)
    solicit(served, body, given_names="", surnames="", mobile_phone="", reference="---")
    to_version(served.database, SERVICE.migrations, "0006", down=True)
    migrate(served.database, SERVICE.migrations)
    assert len(served.rows()["subscriptions"]) == 1


def test_they_are_found_by_their_words(subscriptions: Served, body: Any, unique: str) -> None:
    made = solicit(subscriptions, body, surnames=f"Ñuñez {unique}", mobile_phone="612 000 345")
    solicit(
        subscriptions,
        body,
        given_names="",
        surnames="",
        mobile_phone="",
        reference=f"ref-{unique}-2",
    )
    wanted = search_ids(subscriptions, unique)
    assert (len(wanted), search_ids(subscriptions, f"nun {unique} 000345")) == (2, [made.id])
    words = subscriptions.rows()["subscription_words"]
    to_version(subscriptions.database, SERVICE.migrations, "0006", down=True)
    with subscriptions.database.read() as tx:
        kept = text("SELECT search_text FROM subscriptions WHERE id = :id")
        older = tx.execute(kept, {"id": made.id}).scalar_one()
    assert f"nunez {unique}\n612 000 345\n" in older
    migrate(subscriptions.database, SERVICE.migrations)
    assert find_schema_differences(subscriptions.database, SERVICE.metadata) == []
    assert subscriptions.rows()["subscription_words"] == words
    assert search_ids(subscriptions, unique) == wanted


def test_letters_of_other_scripts_are_found_in_latin(
    subscriptions: Served, body: Any, unique: str
) -> None:
    made = solicit(subscriptions, body, given_names="Łukasz Иван", surnames=unique)
    words = subscriptions.rows()["subscription_words"]
    assert search_ids(subscriptions, f"{unique} lukasz ivan") == [made.id]
    to_version(subscriptions.database, SERVICE.migrations, "0007", down=True)
    with subscriptions.database.read() as tx:
        kept = text("SELECT word FROM subscription_words WHERE subscription_id = :id")
        older = set(tx.execute(kept, {"id": made.id}).scalars())
    assert {"łukasz", "иван", unique} <= older
    assert older.isdisjoint({"lukasz", "ivan"})
    migrate(subscriptions.database, SERVICE.migrations)
    migrate(subscriptions.database, SERVICE.migrations)
    assert subscriptions.rows()["subscription_words"] == words
    for search in ("lukasz", "Łukasz", "иван", "ivan"):
        assert search_ids(subscriptions, f"{unique} {search}") == [made.id]


def test_they_have_their_first_delivery(start: Any, engine: str, body: Any) -> None:
    served = start("subscriptions", engine)
    made = [create_confirmed(served, body) for _ in range(3)]
    early = datetime(2026, 3, 1, 12, tzinfo=UTC)
    lenses = [list_lenses(each)[0].reference_uuid for each in made]
    deliveries = [
        build_delivery(each.id, (uuid, 1)) for each, uuid in zip(made, lenses, strict=True)
    ]
    with served.clock.at(early):
        served.call("CreateBoxDeliveries", deliveries[0])
        activate(served, made[1].id, lenses[1])
    with served.clock.at(early + timedelta(hours=1)):
        activate(served, made[0].id, lenses[0])
        served.call("CreateBoxDeliveries", deliveries[1])
    solicit(served, body)
    before = served.rows()["subscriptions"]
    firsts = {row[0]: row[-1] for row in before}
    assert [firsts[each.id] for each in made] == [early, early, None]
    to_version(served.database, SERVICE.migrations, "0008", down=True)
    migrate(served.database, SERVICE.migrations)
    assert find_schema_differences(served.database, SERVICE.metadata) == []
    assert served.rows()["subscriptions"] == before
