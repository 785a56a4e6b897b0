"""What is stored of links, on both engines."""

from datetime import UTC, datetime, timedelta

from chassis.server.accounts import hash_secret
from sessions_svc.rules.statuses import Status
from tests.serving import Served
from tests.sessions_svc.desk import bring
from tests.sessions_svc.links import VISIT, create_link, enter_exam

NOON = datetime(2026, 6, 15, 12, 0, 0, 900_000, UTC)


def test_secrets_are_stored_as_hashes_only(sessions: Served, unique: str) -> None:
    bring(sessions, unique, Status.CREATED)
    link = create_link(sessions, unique, idempotency_key=unique)
    token = enter_exam(sessions, link)
    kept = repr(sessions.rows())
    assert link["token"] not in kept
    assert token not in kept
    assert VISIT not in kept
    assert hash_secret(link["token"]) in kept
    assert hash_secret(token) in kept


def test_expired_links_are_deleted_when_the_next_is_created(sessions: Served, unique: str) -> None:
    def count_links() -> int:
        hashes = {hash_secret(each["token"]) for each in (unused, used, link)}
        return sum(row[0] in hashes for row in sessions.rows()["links"])

    bring(sessions, unique, Status.CREATED)
    with sessions.clock.at(NOON):
        unused, used = create_link(sessions, unique), create_link(sessions, unique)
        enter_exam(sessions, used)
    for later, left in {
        timedelta(days=1): 3,
        timedelta(days=1, minutes=6): 2,
        timedelta(days=1, hours=5): 1,
    }.items():
        with sessions.clock.at(NOON + later):
            link = create_link(sessions, unique)
            assert count_links() == left
            sessions.clock.set = NOON + later + timedelta(minutes=1)
