"""A running service under test: its stubs, its clock and its callers."""

import base64
import hashlib
import importlib
import os
import tomllib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any
from unittest.mock import patch

import grpc
from alembic import command
from sqlalchemy import Executable, Select, Table, exists, literal, select

from chassis import errors
from chassis.cli.service import Service
from chassis.errors import Fault
from chassis.server.server import RunningServer
from chassis.status import Code
from chassis.store import reference_cache
from chassis.store.database import Database
from chassis.store.encryption.keyring import Key, Keyring, read_keyring
from chassis.store.migrations import build_alembic_config, migrate
from chassis.store.reference_cache import invalidate

SERVICES = ("sessions", "orders", "subscriptions")
# A client of each service, another client of the same service, and its staff.
PEOPLE = {
    "sessions": {"client": "demo-partner", "other": "other-partner", "staff": "demo-staff"},
    "orders": {"client": "demo-client", "other": "other-client", "staff": "demo-staff"},
    "subscriptions": {
        "client": "demo-merchant",
        "other": "other-merchant",
        "staff": "demo-staff",
    },
}
USERS = {"client": "optician@example.com", "other": "stranger@example.org"}


class Clock:
    """The service's `now`: real, set by a test, or moving as a test says."""

    def __init__(self) -> None:
        self.set: datetime | None = None
        self.moves: Callable[[], datetime] | None = None

    def __call__(self) -> datetime:
        return self.moves() if self.moves else self.set or datetime.now(UTC)

    @contextmanager
    def at(self, moment: datetime) -> Iterator[None]:
        """Stop the clock at a moment; restores it whatever happens."""
        before, self.set = self.set, moment
        try:
            yield
        finally:
            self.set = before


@dataclass(frozen=True)
class Failure:
    """A failed call as its caller sees it, with grpc's own status code."""

    code: grpc.StatusCode
    reason: str
    message: str
    faults: tuple[Fault, ...] = ()
    metadata: dict[str, str] | None = None
    details: tuple[Any, ...] = ()


def decode(error: grpc.RpcError) -> Failure:
    """Decode what grpc's client raised."""
    call: grpc.Call = error  # type: ignore[assignment]  # grpcio raises calls as errors
    packed = dict(call.trailing_metadata() or ()).get(errors.STATUS_TRAILER)
    details = packed if isinstance(packed, bytes) else None
    failure = errors.decode(Code(call.code().value[0]), call.details() or "", details)
    return Failure(
        call.code(),
        failure.reason,
        failure.message,
        failure.faults,
        failure.metadata,
        failure.details,
    )


@dataclass
class Served:
    """A running service, and calls to it."""

    name: str
    running: RunningServer
    database: Database
    clock: Clock
    channel: grpc.Channel

    @property
    def address(self) -> str:
        """Its address."""
        return f"127.0.0.1:{self.running.port}"

    def call(
        self,
        rpc: str,
        request: Any,
        who: str = "client",
        *,
        desk: bool = False,
        kind: str = "",
        timeout: float = 20,
        **metadata: str,
    ) -> Any:
        """Call an RPC as client, other, staff or "" for no account; `_` in metadata names is `-`.

        `kind` names another gRPC service of the process than the first: "Dashboard".
        """
        sent = {name.replace("_", "-"): value for name, value in metadata.items()}
        if who:
            sent.setdefault("authorization", build_basic(PEOPLE[self.name][who]))
        if self.name == "orders" and who in USERS:
            sent.setdefault("user-email", USERS[who])
        module = importlib.import_module(f"protos.{self.name}_pb2_grpc")
        noun = self.name.removesuffix("s").capitalize()
        kind = kind or ({"orders": "LabDesk"}.get(self.name, f"{noun}Desk") if desk else noun)
        stub = getattr(module, f"{kind}ServiceStub")(self.channel)
        return getattr(stub, rpc)(request, timeout=timeout, metadata=list(sent.items()))

    def refusal(self, rpc: str, request: Any, who: str = "client", **options: Any) -> Failure:
        """The Failure of an RPC that is refused."""
        try:
            answer = self.call(rpc, request, who, **options)
        except grpc.RpcError as error:
            return decode(error)
        raise AssertionError(f"not refused: {answer}")

    def rows(self) -> dict[str, list[tuple[Any, ...]]]:
        """All rows, opened; without the version counter of the cache and the audit trail."""
        personal = {each.table: each for each in get_definition(self.name).personal}
        statements, ask_filled = _build_reads(self.name)
        found: dict[str, list[tuple[Any, ...]]] = {}
        with self.database.read() as tx:
            filled = tx.execute(ask_filled).one()
            for (table, statement), is_filled in zip(statements.items(), filled, strict=True):
                rows: Any = tx.execute(statement).all() if is_filled else []
                if table in personal:
                    rows = personal[table].open_all(tx, rows)
                values = (tuple(row._mapping.values()) for row in rows)
                found[table.name] = sorted(values, key=repr)
        return found

    def refresh_cache(self) -> None:
        """Invalidate its reference cache, and have it notice now: in a call that is refused."""
        with self.database.write() as tx:
            invalidate(tx, get_definition(self.name).changes)
        asked = importlib.import_module(f"protos.{self.name}_pb2").ListEventsRequest()
        with patch.multiple(reference_cache, LOOK_SECONDS=0, MAX_AGE_SECONDS=0):
            refused = self.refusal("ListEvents", asked, authorization=build_basic(""), desk=True)
        assert refused.code is grpc.StatusCode.UNAUTHENTICATED

    def stop(self) -> None:
        """Stop it."""
        self.channel.close()
        self.running.stop(0)


@cache
def _build_reads(service: str) -> tuple[dict[Table, Select[Any]], Executable]:
    """Build the statement that reads each table, and one that says which of them have rows."""
    tables = [
        table
        for table in get_definition(service).metadata.sorted_tables
        if table.name != "reference_changes" and not table.name.startswith("audit_")
    ]
    filled = select(*(exists(select(literal(1)).select_from(table)) for table in tables))
    return {table: table.select() for table in tables}, filled


def build_keyring(*names: str) -> Keyring:
    """A ring of keys with these names, each always the same."""
    return Keyring(Key(name, _make_secret(name)) for name in names)


def open_database(url: str) -> Database:
    """Open a store as this run serves it: with TEST_ENCRYPTION=on it is encrypted."""
    path = os.environ.get("ENCRYPTION_KEYS")
    return Database(url, keyring=read_keyring(Path(path)) if path else None)


def write_keys(path: Path, *names: str) -> Path:
    """Write a file of ENCRYPTION_KEYS with the keys of these names, each always the same."""
    lines = (f"{name} {base64.b64encode(_make_secret(name)).decode()}\n" for name in names)
    path.touch(0o600)
    path.write_text("".join(lines))
    return path


def _make_secret(name: str) -> bytes:
    return hashlib.sha256(name.encode()).digest()


def to_version(database: Database, folder: Path, revision: str, *, down: bool = False) -> None:
    """Migrate a store to a revision, upwards or downwards."""
    made = build_alembic_config(folder)
    with database.write() as tx:
        made.attributes["connection"] = tx
        (command.downgrade if down else command.upgrade)(made, revision)


def build_basic(name: str, secret: str | None = None) -> str:
    """An HTTP Basic header of a demo account."""
    packed = f"{name}:{secret or name + '-secret'}".encode()
    return "Basic " + base64.b64encode(packed).decode()


def get_definition(service: str) -> Service:
    """The definition of a service."""
    found: Service = importlib.import_module(f"{service}_svc.definition").SERVICE
    return found


def load_demo(service: str, url: str, demo: Path) -> None:
    """Migrate a store and load the demo data."""
    of, database = get_definition(service), Database(url)
    migrate(database, of.migrations)
    reference = of.reference.load(tomllib.loads((demo / f"{service}.toml").read_text()))
    with database.write() as tx:
        of.load(tx, reference)
    database.close()


def serve(service: str, database: Database) -> Served:
    """Start a service on a free port, with a clock that tests can set."""
    clock = Clock()
    start = importlib.import_module(f"{service}_svc.definition").SERVICE.start
    running = start(database, "127.0.0.1:0", "http://127.0.0.1:8080", clock)
    channel = grpc.insecure_channel(f"127.0.0.1:{running.port}")
    return Served(service, running, database, clock, channel)
