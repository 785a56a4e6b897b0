"""Reading the status files of labs, and applying their lines as UpdateOrder does.

A drop is leased to one process while it is read. A file is read once it is unchanged since the
reading before; its name, time and content are its identity, under which the store counts the lines
that were applied, in the transaction that applies them. So a process that is killed leaves nothing
half done, and none applies a line twice. Then the file is moved to `done`, or to `failed` beside a
report with a sentence on each refused line.
"""

import hashlib
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from datetime import datetime, timedelta
from types import TracebackType
from typing import Any

from sqlalchemy import Connection, Row

from chassis.background import BackgroundLoop
from chassis.context import utc_now
from chassis.errors import Refusal
from chassis.events.addresses import AttemptFailed
from chassis.messages.texts import find_text_faults
from chassis.persons import acting
from chassis.store.database import Database
from chassis.store.encryption.keyring import Unopenable
from chassis.store.leases import Backoff
from chassis.telemetry import describe, log
from orders_svc.actions.update_order import update_order
from orders_svc.notices.transport.bounded import BoundedCalls
from orders_svc.notices.transport.files import Drop, FoundFile, find_names, put_away
from orders_svc.notices.transport.opening import use_drop
from orders_svc.rules.lab_status import LabStatus
from orders_svc.rules.transport.status_files import (
    MAX_FILE_BYTES,
    StatusFileError,
    StatusLine,
    is_status_file,
    read_status_file,
    write_report,
)
from orders_svc.store.transport.drops import (
    LAB_PREFIX,
    find_drop,
    has_due_poll,
    lease_polls,
    settle_poll,
)
from orders_svc.store.transport.status_files import (
    delete_old_files,
    find_order_of_lab,
    find_orders_in_tray,
    lock_status_file,
    record_lines,
)

POLL_SECONDS = 2.0  # of the loop
DROP_SECONDS = 20.0  # for reading one drop
STOP_SECONDS = 3.0  # for which the end of the process waits for the drops that are being read
INTERVAL = timedelta(seconds=30)  # between two readings of a drop
SETTLE_TIME = timedelta(seconds=5)  # for which a file has to stay as it is
BACKOFF = Backoff(first=INTERVAL, longest=timedelta(minutes=10))
MAX_DROPS = 8  # read at once
MAX_FILES = 50  # of one drop in one reading
MAX_STEM_BYTES = 200  # of the name of a file that was read
BATCH_LINES = 100  # applied in one transaction
NO_SUCH_ORDER = "This lab has no such order."
RPC = "status file"  # in the audit trail


class StatusReader:
    """Reads the drops that are due, each in a thread of its own."""

    def __init__(
        self,
        database: Database,
        *,
        private: bool = False,
        now: Callable[[], datetime] = utc_now,
        seconds: float = DROP_SECONDS,
    ) -> None:
        self.database = database
        self.private = private
        self.now = now
        self.seconds = seconds
        self.calls = BoundedCalls()
        self._pool = ThreadPoolExecutor(MAX_DROPS, thread_name_prefix="status files")
        self._running: set[Future[None]] = set()
        self._loop = BackgroundLoop("read status files", self.read_due, POLL_SECONDS)

    def __enter__(self) -> "StatusReader":
        self._loop.start()
        return self

    def __exit__(
        self,
        _kind: type[BaseException] | None,
        _error: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        self._loop.stop()
        wait(self._running, STOP_SECONDS)
        self.calls.close()
        self._pool.shutdown(cancel_futures=True)

    def read_due(self) -> int:
        """Begin to read the drops that are due, as many as there are threads; returns how many."""
        self._running = {each for each in self._running if not each.done()}
        free, now = MAX_DROPS - len(self._running), self.now()
        if free <= 0:
            return 0
        with self.database.read(single=True) as tx:
            if not has_due_poll(tx, now):
                return 0
        with self.database.write() as tx:
            leased = lease_polls(tx, free, now)
        for each in leased:
            reading = self._pool.submit(self._read_drop, each)
            self._running.add(reading)
            reading.add_done_callback(lambda _: self._loop.wakeup.set())  # a thread is free
        return len(leased)

    def wait_until_idle(self) -> None:
        """Wait for the running readings."""
        for each in list(self._running):
            each.result()

    def _read_drop(self, poll: Row[Any]) -> None:
        values: dict[str, Any] = {"attempts": 0, "last_error": None}
        try:
            files, failure = read_status_files(
                self.database,
                self.calls,
                poll.lab_id,
                poll.files,
                self.now(),
                self.seconds,
                private=self.private,
            )
            if failure:
                values = self._describe_failure(poll, failure)
            else:
                values["due_at"] = self.now() + (SETTLE_TIME if files else INTERVAL)
            values["files"] = files
        except AttemptFailed as failure:
            values = self._describe_failure(poll, failure.reason)
        except Refusal as refusal:  # the store is busy or away
            values = self._describe_failure(poll, refusal.reason)
        except Exception as error:  # noqa: BLE001 - the drop is read again
            log().error(
                "status files not read", account=LAB_PREFIX + poll.lab_id, **describe(error)
            )
            values = self._describe_failure(poll, "error")
        try:
            with self.database.write() as tx:
                settle_poll(tx, poll, values)
        except Refusal as refusal:  # it is read again when its lease expires
            log().warning("status files not read", reason=refusal.reason)

    def _describe_failure(self, poll: Row[Any], reason: str) -> dict[str, Any]:
        if poll.last_error != reason:
            account = LAB_PREFIX + poll.lab_id
            log().warning("status files not read", account=account, reason=reason)
        delay = BACKOFF.compute_delay(poll.attempts, 0.5)
        return {"due_at": self.now() + delay, "last_error": reason[:32]}


def read_status_files(
    database: Database,
    calls: BoundedCalls,
    lab_id: str,
    before: dict[str, list[int]],
    now: datetime,
    seconds: float = DROP_SECONDS,
    *,
    private: bool = False,
) -> tuple[dict[str, list[int]], str | None]:
    """Apply the files of a lab that are as they were `before`.

    Returns what else there is, and why a file could not be moved. Raises AttemptFailed where the
    drop cannot be read.
    """
    with database.read() as tx:
        drop = find_drop(tx, lab_id)
    if drop is None:
        return {}, None

    def read(opened: Drop) -> tuple[dict[str, list[int]], str | None]:
        found = opened.list_files(drop["in"], is_status_file)
        ready = [each for each in found if before.get(each.name) == [each.size, each.modified]]
        failure, done = None, set()
        for each in sorted(ready)[:MAX_FILES]:
            try:
                _read_file(database, opened, lab_id, drop, each, now)
                done.add(each)
            except AttemptFailed as failed:
                failure = failed.reason
        return find_names(each for each in found if each not in done), failure

    return use_drop(calls, lab_id, drop, seconds, read, private=private)


def _read_file(
    database: Database,
    opened: Drop,
    lab_id: str,
    drop: dict[str, Any],
    file: FoundFile,
    now: datetime,
) -> None:
    """Apply a file and move it out of the way."""
    path = f"{drop['in']}/{file.name}"
    content = opened.read(path, MAX_FILE_BYTES + 1)
    if content is None or len(content) != min(file.size, MAX_FILE_BYTES + 1):
        return  # it is gone or grows
    stamp = f"{file.name}\0{file.modified}\0{file.size}\0".encode()
    digest = hashlib.sha256(stamp + content).hexdigest()
    refused, lines = apply_status_file(database, lab_id, file.name, content, digest, now)
    again = opened.list_files(drop["in"], lambda name: name == file.name)
    if again not in ([], [file]):
        return  # another file has taken its name
    report = write_report(refused, lines) if refused else ""
    folder = drop["failed"] if refused else drop["done"]
    put_away(opened, path, folder, name_moved(file.name, digest), report)
    log().info(
        "status file",
        account=LAB_PREFIX + lab_id,
        outcome="refused" if refused else "applied",
        count=len(refused) if refused else lines,
    )


def name_moved(name: str, digest: str) -> str:
    """Return the name of a file that was read: file systems take no longer one than 255 bytes."""
    stem = name[: -len(".csv")].encode()[:MAX_STEM_BYTES].decode(errors="ignore")
    return f"{stem}.{digest[:12]}.csv"


def apply_status_file(
    database: Database, lab_id: str, name: str, content: bytes, digest: str, now: datetime
) -> tuple[list[tuple[int, str]], int]:
    """Apply the lines of a file that were not yet; returns the refused ones, and how many it has.

    Line 0 stands for the whole file.
    """
    try:
        lines = read_status_file(content)
    except StatusFileError as error:
        return [(0, str(error))], 0
    while True:
        with acting(LAB_PREFIX + lab_id, RPC) as call, database.write() as tx:
            file = lock_status_file(tx, lab_id, digest, name, now)
            refused = [(number, text) for number, text in file.refused]
            batch = lines[file.lines : file.lines + BATCH_LINES]
            for line in batch:
                refused += [(line.number, text) for text in _apply_line(tx, lab_id, line, now)]
            if batch:
                record_lines(tx, file, file.lines + len(batch), refused)
            else:
                delete_old_files(tx, lab_id, now)
            call.is_audited = not call.ids  # what changed nothing has no entry
        if not batch:
            return refused, len(lines)


def _apply_line(tx: Connection, lab_id: str, line: StatusLine, now: datetime) -> list[str]:
    """Change the order of a line; returns why it is refused."""
    if line.faults:
        return list(line.faults)
    change = dict(line.change)
    if faults := [f"{each.path}: {each.message}" for each in find_text_faults(change)]:
        return faults
    time = change.pop("time", now)
    if "order_id" in change:
        order = find_order_of_lab(tx, lab_id, change.pop("order_id"))
    else:
        found = find_orders_in_tray(tx, lab_id, change.pop("tray_number"))
        if len(found) > 1:
            return ["Several orders are in this tray: name the order by its order_id."]
        order = found[0] if found else None
    if order is None:
        return [NO_SUCH_ORDER]
    # What a lab tells again is no change, and no fault.
    change = {name: each for name, each in change.items() if _is_news(order, name, each)}
    if order.lab_status == LabStatus.READY_FOR_PICKUP and change.get("lab_status") == "shipped":
        del change["lab_status"]
    if "lab_status" not in change:
        change.pop("lab_word", None)
    if not change:
        return []
    at = min(max(time, order.submitted_at), now)
    try:
        update_order(tx, {**change, "order_id": order.id}, now, at)
    except Refusal as refusal:
        return [refusal.message]
    return []


def _is_news(order: Row[Any], name: str, value: Any) -> bool:
    """Return whether an order has another value; a damaged one is replaced."""
    try:
        return bool(getattr(order, name, None) != value)
    except Unopenable:
        return True
