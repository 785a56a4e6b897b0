"""A service for tests: each call runs a function that the test sets."""

from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc
from marshmallow import Schema
from sqlalchemy import Column, Integer, MetaData, String, Table, insert, select

from chassis.audit.trail import Trail
from chassis.cli.service import Service
from chassis.events.outbox import Outbox
from chassis.persons import Persons
from chassis.server.accounts import Accounts, Authenticate, build_accounts_table
from chassis.server.idempotency import IdempotencyKeys, build_idempotency_table
from chassis.server.server import Resources, RunningServer
from chassis.server.tls import Certificates
from chassis.settings.roles import STAFF
from chassis.store.database import NAMING_CONVENTION, Database, Instant
from chassis.store.encryption.registry import build_keys_table
from chassis.store.reference_cache import build_changes_table
from protos import subscriptions_pb2 as pb
from protos import subscriptions_pb2_grpc as rpc
from tests.serving import Failure, build_basic, decode

metadata = MetaData(naming_convention=NAMING_CONVENTION)
accounts = Accounts(build_accounts_table(metadata))
idempotency_keys = IdempotencyKeys(build_idempotency_table(metadata))
changes = build_changes_table(metadata)
audit = Trail(metadata)
keys = build_keys_table(metadata)
notes = Table(
    "notes",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("text", String(100)),
    Column("at", Instant()),
)


def put(database: Database, note: str) -> None:
    """Store a note in a transaction of its own."""
    with database.write() as tx:
        tx.execute(insert(notes).values(text=note))


jobs = Table(
    "jobs",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("kind", String(10), nullable=False),
    Column("due_at", Instant()),
    Column("tries", Integer, nullable=False),
)
SERVICES = [f"optigate.subscriptions.v1.Subscription{kind}Service" for kind in ("", "Desk")]


def _find_nobody(*_: object) -> list[str]:
    return []


class ProbeServicer(rpc.SubscriptionServiceServicer, rpc.SubscriptionDeskServiceServicer):
    """Calls `act`, and answers with the requested id."""

    def __init__(self) -> None:
        self.act: Callable[[], object] = lambda: None

    def GetSubscription(
        self, request: pb.GetSubscriptionRequest, context: grpc.ServicerContext
    ) -> pb.Subscription:
        self.act()
        return pb.Subscription(id=request.subscription_id)

    def CreateSubscription(
        self, request: pb.CreateSubscriptionRequest, context: grpc.ServicerContext
    ) -> pb.Subscription:
        self.act()
        return pb.Subscription(id="s1")

    def ListSubscriptions(
        self, request: pb.ListSubscriptionsRequest, context: grpc.ServicerContext
    ) -> pb.ListSubscriptionsResponse:
        """Open to everybody."""
        self.act()
        return pb.ListSubscriptionsResponse()

    def ConfirmSubscription(
        self, request: pb.ConfirmSubscriptionRequest, context: grpc.ServicerContext
    ) -> pb.Subscription:
        self.act()
        return pb.Subscription(id=request.subscription_id)


@dataclass
class Probe:
    """The service at work, and a channel to it."""

    servicer: ProbeServicer
    database: Database
    running: RunningServer
    channel: grpc.Channel

    @property
    def address(self) -> str:
        """Where it listens."""
        return f"127.0.0.1:{self.running.port}"

    def call(
        self,
        rpc_name: str = "GetSubscription",
        who: str = "somebody",
        *,
        act: Callable[[], object] | None = None,
        timeout: float | None = 10,
        **sent: str,
    ) -> tuple[Any, dict[str, Any]]:
        """The answer and its trailers; `act` is what the service does before it."""
        if act:
            self.servicer.act = act
        kind = "Desk" if rpc_name.startswith("Confirm") else ""
        request = {
            "GetSubscription": pb.GetSubscriptionRequest(subscription_id="s1"),
            "ListSubscriptions": pb.ListSubscriptionsRequest(),
            "ConfirmSubscription": pb.ConfirmSubscriptionRequest(subscription_id="s1"),
        }[rpc_name]
        stub = getattr(rpc, f"Subscription{kind}ServiceStub")(self.channel)
        if who:
            sent.setdefault("authorization", build_basic(who))
        metadata = [(name.replace("_", "-"), value) for name, value in sent.items()]
        answer, call = getattr(stub, rpc_name).with_call(
            request, timeout=timeout, metadata=metadata
        )
        return answer, dict(call.trailing_metadata())

    def refusal(self, *args: Any, **options: Any) -> Failure:
        """The Failure with which a call is refused."""
        try:
            answer = self.call(*args, **options)
        except grpc.RpcError as error:
            return decode(error)
        raise AssertionError(f"not refused: {answer}")

    def note(self, text: str) -> None:
        """Write a note."""
        with self.database.write() as tx:
            tx.execute(insert(notes).values(text=text))

    def notes(self) -> list[str]:
        """All notes."""
        with self.database.read() as tx:
            return list(tx.execute(select(notes.c.text).order_by(notes.c.id)).scalars())


@contextmanager
def probe(
    folder: Path,
    listen: str = "127.0.0.1:0",
    authenticate: Callable[[Resources], Authenticate] | None = None,
    open_rpcs: Collection[str] = ("SubscriptionService/ListSubscriptions",),
    reflection: bool = True,
    certificates: Certificates | None = None,
) -> Iterator[Probe]:
    """Run the service on SQLite, with the accounts `somebody` and `staff`."""
    database = Database(f"sqlite:///{folder}/probe.db")
    metadata.create_all(database.engine)
    with database.write() as tx:
        for name, role in (("somebody", "client"), ("staff", STAFF)):
            accounts.put(tx, name, role, f"{name}-secret")
    servicer = ProbeServicer()  # type: ignore[abstract]  # its other RPCs are not called
    service = Service(
        name="probe",
        metadata=metadata,
        accounts=accounts,
        idempotency_keys=idempotency_keys,
        changes=changes,
        keys=keys,
        outbox=Outbox(MetaData()),
        audit=audit,
        persons=Persons(
            (), _find_nobody, lambda *_: {}, lambda *_: None, lambda *_: None, lambda *_: []
        ),
        migrations=folder,
        reference=Schema(),
        load=lambda *_: None,
        reference_tables=(),
        servicers=lambda _: [servicer],
        authenticate=authenticate,
        open_rpcs=open_rpcs,
    )
    try:
        running = service.start(
            database,
            listen,
            "http://127.0.0.1:8080",
            reflection=reflection,
            certificates=certificates,
        )
    except BaseException:
        database.close()
        raise
    with grpc.insecure_channel(f"127.0.0.1:{running.port}") as channel:
        try:
            yield Probe(servicer, database, running, channel)
        finally:
            running.stop(0)
