"""What is answered: one short method per RPC, and row to message."""

from collections.abc import Callable
from datetime import UTC, date, datetime
from typing import Any

import grpc
from sqlalchemy import Connection

from chassis.calls import caller, current
from chassis.database import Database
from chassis.errors import AlreadyExists, Fault, Forbidden
from chassis.server import Running, start
from chassis.validation import Rules, refuse
from protos import sessions_pb2 as pb
from protos import sessions_pb2_grpc as rpc
from sessions_svc import rules, store

CHECK_QUALIFICATION = Rules(rules.CHECK_QUALIFICATION)
CREATE_SESSION = Rules(rules.CREATE_SESSION, raw=("partner_info",))
TAKEN = Fault("session_key", "Must be a key that none of your sessions has.")


def utc_now() -> datetime:
    """This moment."""
    return datetime.now(UTC)


class SessionService(rpc.SessionServiceServicer):
    """What partners call."""

    def __init__(self, database: Database, now: Callable[[], datetime] = utc_now) -> None:
        self.database = database
        self.now = now

    def CheckQualification(
        self, request: pb.CheckQualificationRequest, context: grpc.ServicerContext
    ) -> pb.CheckQualificationResponse:
        values, faults = CHECK_QUALIFICATION.examine(request)
        today = self.now().date()
        refuse(faults, rules.date_faults(values, today))
        with self.database.read() as tx:
            codes = disqualifications(tx, values, today)
        checked = pb.CheckQualificationResponse(qualifies=not codes, disqualifications=codes)
        if not current().idempotency_key:
            return checked
        with self.database.write() as tx:
            return store.answers.keep(tx, checked)

    def CreateSession(
        self, request: pb.CreateSessionRequest, context: grpc.ServicerContext
    ) -> pb.Session:
        values, faults = CREATE_SESSION.examine(request)
        now = self.now()
        with self.database.read() as tx:
            enabled = store.enabled_stores(tx, caller(), values.get("store_id"))
            data_faults = rules.date_faults(values, now.date())
            refuse(faults, data_faults, rules.store_faults(values, enabled))
            qualify(disqualifications(tx, values, now.date()))
        with self.database.write() as tx:
            row = store.add_session(tx, caller(), values, now)
            if row is None:
                raise AlreadyExists("A session has this session_key.", faults=[TAKEN])
            return store.answers.keep(tx, pb.Session(**row._mapping))


def disqualifications(tx: Connection, values: dict[str, Any], today: date) -> list[str]:
    """Why this partner may not serve a valid request's person."""
    limits = store.limits_of(tx, caller())
    mapped = store.mapped_products(tx, caller(), rules.product_keys(values))
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
    service = SessionService(database, now)
    descriptor = pb.DESCRIPTOR.services_by_name["SessionService"]
    return start(
        [(service, rpc.add_SessionServiceServicer_to_server, descriptor)],
        database=database,
        answers=store.answers,
        authenticate=store.accounts.basic(database),
        listen=listen,
    )
