"""The RPC being served: its caller, its idempotency key and its deadline."""

import re
import time
from contextvars import ContextVar
from dataclasses import dataclass, field
from datetime import UTC, datetime
from random import getrandbits
from typing import Protocol

from chassis.errors import MALFORMED, Fault, Invalid, TooLate

REQUEST_ID_PATTERN = re.compile(r"[A-Za-z0-9._-]{1,128}")
IDEMPOTENCY_KEY_PATTERN = re.compile(r"[!-~]{1,255}")
IDEMPOTENCY_HEADER = "Idempotency-Key"
DEADLINE_PASSED = "The deadline has passed; nothing was done."
MAX_CALL_SECONDS = 30.0  # grpcio reports 9.2e18 for a call without a deadline


@dataclass(frozen=True, slots=True)
class Account:
    """The caller: one row of a service's accounts."""

    id: int
    name: str
    role: str


class CallContext(Protocol):
    """The part of a gRPC context that a call uses."""

    def time_remaining(self) -> float | None: ...

    def is_active(self) -> bool: ...


@dataclass(slots=True)
class Call:
    """One RPC, from its arrival to its response."""

    rpc: str
    request_id: str
    metadata: dict[str, str]
    context: CallContext | None = None
    account: Account | None = None
    actor: str = ""  # the account's user on whose behalf it is made; set by authentication
    is_actor_known: bool = False  # whether the account has this user
    idempotency_key: str = ""
    fingerprint: bytes = b""
    replayed: bool = False
    ids: list[str] = field(default_factory=list)  # of what it reads or changes, for the audit trail
    is_audited: bool = False  # whether its entry was written with its change
    version: int | None = None  # of the row that is returned, if the RPC reports it
    commits: int = 0  # transactions that it has committed
    repeats: int = 0  # because of conflicts with others
    started: float = field(default_factory=time.monotonic)

    def get_seconds_left(self) -> float:
        """Return the seconds that the caller still waits, at most `MAX_CALL_SECONDS`."""
        asked = self.context.time_remaining() if self.context else None
        ours = self.started + MAX_CALL_SECONDS - time.monotonic()
        return ours if asked is None else min(asked, ours)

    def ensure_awaited(self) -> None:
        """Raise TooLate if the caller has given up: then nothing may be written."""
        if self.context is None:
            return
        if not self.context.is_active() or self.get_seconds_left() <= 0:
            raise TooLate(DEADLINE_PASSED)


_current: ContextVar[Call | None] = ContextVar("call", default=None)


def get_current_call() -> Call:
    """The call that this thread serves; outside of one, a call without a caller."""
    return _current.get() or Call("", "", {})


def begin_call(call: Call) -> None:
    """Make `call` the one that this thread serves."""
    _current.set(call)


def end_call() -> None:
    """Clear the call of this thread."""
    _current.set(None)


def note_ids(*ids: str) -> None:
    """Note what the call of this thread reads or changes, for its entry in the audit trail."""
    if call := _current.get():
        call.ids.extend(ids)


def get_caller() -> Account:
    """The account of the call that this thread serves."""
    account = get_current_call().account
    if account is None:
        raise LookupError("this RPC has no caller")
    return account


def utc_now() -> datetime:
    """The current time in UTC: the default of every `now`."""
    return datetime.now(UTC)


def generate_request_id() -> str:
    """A random id for a request that has no valid one. It is no secret: callers choose theirs."""
    return f"{getrandbits(128):032x}"  # nosec B311  # each process has a seed of its own


def check_idempotency_key(key: str) -> None:
    """Raise Invalid unless the key is 1-255 visible ASCII characters."""
    if not IDEMPOTENCY_KEY_PATTERN.fullmatch(key):
        fault = Fault(IDEMPOTENCY_HEADER, "Must be 1-255 visible ASCII characters.")
        raise Invalid("The idempotency key is malformed.", reason=MALFORMED, faults=[fault])
