"""A worker's places for connections, and who makes room when nearly all are taken."""

from collections import Counter
from itertools import chain
from time import monotonic
from typing import Any, Protocol

from gateway.server.limits import Limits

CROWDED_SHARE = 0.9  # of the places; beyond, whoever stalls longest must go


class Occupant(Protocol):
    """A connection, as far as its place depends on it."""

    begun: bool  # whether a request has begun that is not yet read
    request: Any  # that is being answered
    deadline: float  # of its wait, on the monotonic clock

    def is_quiet(self) -> bool:
        """Whether it still waits for its client."""
        ...

    def end(self) -> None:
        """Close it from outside, while it waits."""
        ...

    def expire(self) -> None:
        """End its wait, because its time is over."""
        ...


class Places:
    """The connections of one worker; `size` of them fit."""

    def __init__(self, size: int, bounds: Limits) -> None:
        self._size, self._bounds = size, bounds
        self._taken: set[Occupant] = set()
        self._idle: dict[Occupant, float] = {}  # without a request: since when, longest first
        self._stalled: dict[Occupant, None] = {}  # they wait for their clients, longest first
        self._by_address: Counter[str] = Counter()

    def enter(self, occupant: Occupant, address: str) -> bool:
        """Take a place; False if its address ("" if it has none) has too many."""
        self._taken.add(occupant)
        self._by_address[address] += 1
        cap = self._bounds.connections_per_address
        if cap and address and self._by_address[address] > cap:
            return False
        if self.is_crowded():
            self._make_room()
        self.note_idle(occupant)
        return True

    def leave(self, occupant: Occupant, address: str) -> None:
        """Free its place."""
        self._taken.discard(occupant)
        self._idle.pop(occupant, None)
        self._by_address[address] -= 1
        if not self._by_address[address]:
            del self._by_address[address]

    def is_crowded(self) -> bool:
        """Whether nearly all places are taken."""
        return len(self._taken) > CROWDED_SHARE * self._size

    def note_idle(self, occupant: Occupant) -> None:
        """Note that it has no request from now on."""
        self._idle[occupant] = monotonic()

    def note_request(self, occupant: Occupant) -> None:
        """Note that the head of a request has come."""
        self._idle.pop(occupant, None)

    def begin_wait(self, occupant: Occupant) -> None:
        """Note that it waits for its client: a full worker would accept nobody otherwise."""
        if len(self._taken) >= self._size:
            self._make_room()
        self._stalled[occupant] = None

    def end_wait(self, occupant: Occupant) -> None:
        """Note that its client has sent or read something, or that its time is over."""
        self._stalled.pop(occupant, None)

    def expire(self) -> None:
        """End the waits whose time is over."""
        now = monotonic()
        for occupant in [each for each in self._stalled if each.deadline <= now]:
            if occupant in self._stalled:  # what another one did on its end may have ended this one
                occupant.expire()

    def close_after_answers(self) -> None:
        """Let each request that is being answered be the last of its connection."""
        for occupant in self._taken:
            if occupant.request is not None:
                occupant.request.force_close()

    def end_rested(self) -> None:
        """Close connections without a request, unless one may be arriving just now."""
        for occupant in self._list_rested():
            if not occupant.begun and occupant.is_quiet():
                self._end(occupant)

    def _make_room(self) -> None:
        """Close the connection that has been idle longest, else the one that has stalled longest.

        One that has just come, or has just been answered, is no better than one that stalls:
        its next request may be on its way.
        """
        for occupant in chain(self._list_rested(), self._stalled):
            if occupant.is_quiet():
                self._end(occupant)
                return

    def _list_rested(self) -> list[Occupant]:
        rested = monotonic() - self._bounds.rest_seconds
        return [occupant for occupant, since in self._idle.items() if since <= rested]

    def _end(self, occupant: Occupant) -> None:
        self._idle.pop(occupant, None)
        self._stalled.pop(occupant, None)
        self._taken.discard(occupant)  # it counts as closed already
        occupant.end()
