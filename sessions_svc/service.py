"""What is answered: one short method per RPC, and row to message."""

from collections.abc import Callable
from datetime import date, datetime
from typing import Any

import grpc

from chassis.calls import caller, current, utc_now
from chassis.database import Database
from chassis.errors import AlreadyExists, Fault, Forbidden
from chassis.memory import Memory
from chassis.server import Running, start
from chassis.validation import Rules, refuse
from protos import sessions_pb2 as pb
from protos import sessions_pb2_grpc as rpc
from sessions_svc import rules, store

CHECK_QUALIFICATION = Rules(rules.CHECK_QUALIFICATION)
CREATE_SESSION = Rules(rules.CREATE_SESSION, raw=("partner_info",))
TAKEN = Fault("session_key", "Must be a key that none of your sessions has.")


class SessionService(rpc.SessionServiceServicer):
    """What partners call."""

    def __init__(
        self, database: Database, memory: Memory, now: Callable[[], datetime] = utc_now
    ) -> None:
        self.database = database
        self.memory = memory
        self.now = now

    def CheckQualification(
        self, request: pb.CheckQualificationRequest, context: grpc.ServicerContext
    ) -> pb.CheckQualificationResponse:
        values, faults = CHECK_QUALIFICATION.examine(request)
        today = self.now().date()
        refuse(faults, rules.date_faults(values, today))
        codes = self.disqualifications(values, today)
        checked = pb.CheckQualificationResponse(qualifies=not codes, disqualifications=codes)
        if not current().idempotency_key:
            return checked
        with self.database.write() as tx:
            return store.answers.keep(tx, checked)

    def CreateSession(
        self, request: pb.CreateSessionRequest, context: grpc.ServicerContext
    ) -> pb.Session:
        values, faults = CREATE_SESSION.examine(request)
        now, account, chosen = self.now(), caller(), values.get("store_id")
        enabled = self.memory.recall(
            ("store", account.id, chosen), lambda tx: store.enabled_stores(tx, account, chosen)
        )
        data_faults = rules.date_faults(values, now.date())
        refuse(faults, data_faults, rules.store_faults(values, enabled))
        qualify(self.disqualifications(values, now.date()))
        with self.database.write() as tx:
            row = store.add_session(tx, caller(), values, now)
            if row is None:
                raise AlreadyExists("A session has this session_key.", faults=[TAKEN])
            return store.answers.keep(tx, pb.Session(**row._mapping))

    def disqualifications(self, values: dict[str, Any], today: date) -> list[str]:
        """Why this partner may not serve a valid request's person."""
        account, keys = caller(), frozenset(rules.product_keys(values))
        limits = self.memory.recall(("limits", account.id), lambda tx: store.limits_of(tx, account))
        mapped = self.memory.recall(
            ("products", account.id, keys), lambda tx: store.mapped_products(tx, account, keys)
        )
        return rules.disqualifications(values, limits, mapped, today)


def qualify(codes: list[str]) -> None:
    """Raise Forbidden for whoever is disqualified."""
    if codes:
        raise Forbidden(
            "This person does not qualify for the service.",
            reason="DISQUALIFIED",
            metadata={"disqualifications": ",".join(codes)},
        )


def serve(
    database: Database,
    listen: str,
    public_url: str,
    now: Callable[[], datetime] = utc_now,
) -> Running:
    """Start the sessions service; it has no use for the public URL yet."""
    memory = Memory(database, store.changes)
    service = SessionService(database, memory, now)
    descriptor = pb.DESCRIPTOR.services_by_name["SessionService"]
    return start(
        [(service, rpc.add_SessionServiceServicer_to_server, descriptor)],
        database=database,
        answers=store.answers,
        authenticate=store.accounts.basic(memory),
        listen=listen,
    )
