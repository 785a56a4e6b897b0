"""What delivers the events of some owners in a way of its service's, in place of the courier."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row

from chassis.events.courier import AttemptResult
from chassis.events.outbox import Event

# The reason of an attempt that was not made, since the event is no longer wanted: it is cancelled.
WITHDRAWN = "withdrawn"


@dataclass(frozen=True)
class Carrier:
    """Delivers the events of the owners whose names begin with `prefix`.

    `deliver` makes one attempt outside of any transaction, in bounded time; `record` adds what the
    service keeps of its result to the transaction that writes the event's new state.
    """

    prefix: str
    deliver: Callable[[Row[Any], Row[Any] | Event, datetime], AttemptResult]
    record: Callable[[Connection, Row[Any], str, AttemptResult, datetime], None]
