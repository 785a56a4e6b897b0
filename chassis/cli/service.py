"""A service's definition: what chassis needs to run it and to manage its store."""

from collections.abc import Callable, Collection, Iterable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from marshmallow import Schema
from sqlalchemy import Connection, MetaData, Table

from chassis.audit.recorder import Recorder
from chassis.audit.sealer import Sealer
from chassis.audit.trail import Trail
from chassis.context import utc_now
from chassis.events.carriers import Carrier
from chassis.events.courier import Courier
from chassis.events.outbox import Event, Outbox, build_test_event
from chassis.persons import Persons
from chassis.server.accounts import Accounts, Authenticate
from chassis.server.idempotency import IdempotencyKeys
from chassis.server.interceptor import ObserveCall
from chassis.server.server import MAX_REQUEST_BYTES, Resources, RunningServer, start_server
from chassis.server.tls import Certificates
from chassis.store.database import Database
from chassis.store.encryption.columns import Personal
from chassis.store.reference_cache import ObserveLookup, ReferenceCache


def _no_background(
    _database: Database, _data_dir: Path, _courier: Courier
) -> AbstractContextManager[None]:
    return nullcontext()


def _no_demo_logins(_tx: Connection) -> list[str]:
    return []


@dataclass(frozen=True)
class Service:
    """The definition of a service, `SERVICE` in its `definition.py`."""

    name: str
    metadata: MetaData
    accounts: Accounts
    idempotency_keys: IdempotencyKeys
    changes: Table
    keys: Table  # of encryption: see chassis.store.encryption.registry
    outbox: Outbox
    audit: Trail
    persons: Persons
    migrations: Path
    reference: Schema
    load: Callable[[Connection, dict[str, Any]], None]
    # What `load` writes; it prints how their rows changed.
    reference_tables: Collection[Table]
    servicers: Callable[[Resources], Iterable[object]]
    authenticate: Callable[[Resources], Authenticate] | None = None  # by default HTTP Basic
    open_rpcs: Collection[str] = ()  # "OrderService/CreateToken", or "DoorService" for all of it
    optimistic_rpcs: Collection[str] = ()  # see `start_server`
    max_request_bytes: int = MAX_REQUEST_BYTES
    # What `events test` sends to an owner.
    build_test_event: Callable[[str, datetime], Event] = build_test_event
    # What production refuses and `doctor` finds: secrets of demo accounts, and people with the
    # demo's password.
    demo_secrets: Collection[str] = ()
    find_demo_logins: Callable[[Connection], list[str]] = _no_demo_logins
    # Delivers the events of some owners in place of the courier.
    carrier: Callable[[Database, Courier], Carrier] | None = None
    personal_tables: Collection[Personal] = ()
    sealed_folders: Collection[str] = ()  # of the data folder, with files that are encrypted
    # Runs beside the dispatcher; raises ValueError for invalid settings.
    background: Callable[[Database, Path, Courier], AbstractContextManager[None]] = _no_background

    @property
    def personal(self) -> list[Personal]:
        """Everything that is encrypted where encryption is on: tables and their columns."""
        return [*self.personal_tables, self.outbox.personal, self.idempotency_keys.personal]

    def start(
        self,
        database: Database,
        listen: str,
        public_url: str,
        now: Callable[[], datetime] = utc_now,
        *,
        reflection: bool = False,
        own_address: str | None = None,
        socket: str | None = None,
        certificates: Certificates | None = None,
        observe_call: ObserveCall | None = None,
        observe_lookup: ObserveLookup | None = None,
    ) -> RunningServer:
        """Serve on `listen`, an `own_address` and a `socket`; the caller stops the server."""
        cache = ReferenceCache(database, self.changes, observe=observe_lookup)
        resources = Resources(database, cache, public_url, now)
        if self.authenticate is None:
            authenticate = self.accounts.basic_authenticator(resources.cache, now)
        else:
            authenticate = self.authenticate(resources)
        recorder = Recorder(database, self.audit)
        return start_server(
            self.servicers(resources),
            database=database,
            idempotency_keys=self.idempotency_keys,
            authenticate=authenticate,
            open_rpcs=self.open_rpcs,
            optimistic_rpcs=self.optimistic_rpcs,
            max_request_bytes=self.max_request_bytes,
            reflection=reflection,
            listen=listen,
            own_address=own_address,
            socket=socket,
            certificates=certificates,
            end_call=recorder.end_call,
            observe_call=observe_call,
            loops=[Sealer(database, self.audit).create_loop(), recorder],
        )
