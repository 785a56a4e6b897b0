"""ReplayEvent and ListEvents of the desk, on both engines."""

from tests.event_desk import check_an_event_is_replayed, check_events_are_listed
from tests.serving import Served


def test_it_works(sessions: Served, unique: str) -> None:
    check_an_event_is_replayed(sessions, unique)


def test_events_are_listed(sessions: Served, unique: str) -> None:
    check_events_are_listed(sessions, unique)
