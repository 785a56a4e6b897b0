"""Opening a lab's drop, on this machine or on an SFTP server."""

from collections.abc import Callable, Mapping
from contextlib import nullcontext
from time import monotonic
from typing import Any, TypeVar

from orders_svc.notices.transport.bounded import BoundedCalls
from orders_svc.notices.transport.files import Drop
from orders_svc.notices.transport.folder import Folder

T = TypeVar("T")


def use_drop(
    calls: BoundedCalls,
    lab_id: str,
    drop: Mapping[str, Any],
    seconds: float,
    work: Callable[[Drop], T],
    *,
    private: bool,
) -> T:
    """Return what `work` does with a lab's open drop; raises AttemptFailed within the seconds."""

    def run() -> T:
        if drop["sftp"] is None:
            opened: Any = nullcontext(Folder())
        else:
            # Only a process that uses SFTP loads asyncssh.
            from orders_svc.notices.transport.sftp import open_sftp

            opened = open_sftp(drop["sftp"], monotonic() + seconds, private=private)
        with opened as at_hand:
            return work(at_hand)

    return calls.run(lab_id, seconds, run)
