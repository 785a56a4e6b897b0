"""What is answered: one short method per RPC, and row to message."""

from collections.abc import Callable, Mapping
from datetime import date, datetime
from typing import Any

import grpc
from google.protobuf.timestamp_pb2 import Timestamp
from sqlalchemy import Connection, Row

from chassis.context import Call, caller, current_call, utc_now
from chassis.errors import AlreadyExists, Fault, Forbidden, NotFound, WrongState
from chassis.server.accounts import basic_credentials
from chassis.server.idempotency import derive_secret, key_mismatch
from chassis.server.server import RunningServer, start_server
from chassis.store.database import Database
from chassis.store.reference_cache import ReferenceCache
from chassis.validation import Rules, refuse
from protos import sessions_pb2 as pb
from protos import sessions_pb2_grpc as rpc
from sessions_svc import documents, door, journey, links, moves, qualification, rules, store, visits
from sessions_svc.desk import SessionDeskService
from sessions_svc.rules import Status

CHECK_QUALIFICATION = Rules(rules.CHECK_QUALIFICATION)
CREATE_SESSION = Rules(rules.CREATE_SESSION, raw=("partner_info",))
LIST_SESSIONS = Rules(rules.LIST_SESSIONS)
KEYS = Rules(rules.KEYS)
CREATE_AUTHENTICATION = Rules(visits.CREATE_AUTHENTICATION)
LARGEST = 16 * 1024 * 1024  # bytes; more than an Approve may hold, so that it is told what it may
TAKEN = Fault("session_key", "Must be a key that none of your sessions has.")


class SessionService(rpc.SessionServiceServicer):
    """What partners call."""

    def __init__(
        self,
        database: Database,
        cache: ReferenceCache,
        public_url: str,
        now: Callable[[], datetime] = utc_now,
    ) -> None:
        self.database = database
        self.cache = cache
        self.public_url = public_url
        self.now = now

    def CheckQualification(
        self, request: pb.CheckQualificationRequest, context: grpc.ServicerContext
    ) -> pb.CheckQualificationResponse:
        values, faults = CHECK_QUALIFICATION.examine(request)
        today = self.now().date()
        refuse(faults, rules.date_faults(values, today))
        codes = self.disqualifications(values, today)
        checked = pb.CheckQualificationResponse(qualifies=not codes, disqualifications=codes)
        if not current_call().idempotency_key:
            return checked
        with self.database.write() as tx:
            return store.idempotency_keys.save(tx, checked)

    def CreateSession(
        self, request: pb.CreateSessionRequest, context: grpc.ServicerContext
    ) -> pb.Session:
        now = self.now()
        values = self.checked(request, now.date())
        qualify(self.disqualifications(values, now.date()))
        with self.database.write() as tx:
            row = store.add_session(tx, caller(), values, now)
            if row is None:
                raise AlreadyExists("A session has this session_key.", faults=[TAKEN])
            return store.idempotency_keys.save(tx, documents.session(row))

    def ListSessions(
        self, request: pb.ListSessionsRequest, context: grpc.ServicerContext
    ) -> pb.ListSessionsResponse:
        asked = LIST_SESSIONS.check(request)
        with self.database.read() as tx:
            rows, total = store.sessions_page(tx, caller(), **asked)
        page, per_page = asked["page"], asked["per_page"]
        pages = -(-total // per_page)
        meta = pb.PageMeta(page=page, per_page=per_page, total_count=total, total_pages=pages)
        return pb.ListSessionsResponse(meta=meta, data=map(documents.session, rows))

    def GetSession(
        self, request: pb.GetSessionRequest, context: grpc.ServicerContext
    ) -> pb.Session:
        keys = KEYS.check(request)
        with self.database.read() as tx:
            return documents.whole_session(tx, own(tx, keys))

    def ReplaceSession(
        self, request: pb.ReplaceSessionRequest, context: grpc.ServicerContext
    ) -> pb.Session:
        now = self.now()
        values = self.checked(request, now.date())
        codes = self.disqualifications(values, now.date())
        with self.database.write() as tx:
            row = moves.replace(tx, own(tx, values).id, values, now)
            if row is None:
                raise WrongState("The exam has begun, or the session has ended.")
            qualify(codes)
            store.put_user(tx, caller(), values, now)
            return store.idempotency_keys.save(tx, documents.session(row))

    def CancelSession(
        self, request: pb.CancelSessionRequest, context: grpc.ServicerContext
    ) -> pb.Session:
        keys, now = KEYS.check(request), self.now()
        with self.database.write() as tx:
            session = journey.move(tx, own(tx, keys), Status.CANCELLED, now)
            return store.idempotency_keys.save(tx, session)

    def CreateAuthentication(
        self, request: pb.CreateAuthenticationRequest, context: grpc.ServicerContext
    ) -> pb.Authentication:
        values, now, call = CREATE_AUTHENTICATION.check(request), self.now(), current_call()
        token = derive_secret(own_secret(call), call.idempotency_key)
        wanted = (values.get("redirect_url"), token, call.fingerprint)
        with self.database.write() as tx:
            session = own(tx, values)
            kept = links.add(tx, session.id, *wanted, now)
            if kept is None and visits.has_ended(session.status):
                raise WrongState("The session has ended.")
        if kept and kept.fingerprint != call.fingerprint:
            raise key_mismatch()
        call.replayed, expires_at = kept is not None, kept.expires_at if kept else links.expiry(now)
        link = visits.link(self.public_url, values["user_key"], values["session_key"], token)
        until = Timestamp(seconds=int(expires_at.timestamp()))
        return pb.Authentication(link=link, expires_at=until)

    def checked(
        self, request: pb.CreateSessionRequest | pb.ReplaceSessionRequest, today: date
    ) -> dict[str, Any]:
        """The values of a valid request; raises Invalid with every fault."""
        values, faults = CREATE_SESSION.examine(request)
        account, chosen = caller(), values.get("store_id")
        enabled = self.cache.get(
            ("store", account.id, chosen), lambda tx: store.enabled_stores(tx, account, chosen)
        )
        refuse(faults, rules.date_faults(values, today), rules.store_faults(values, enabled))
        return values

    def disqualifications(self, values: dict[str, Any], today: date) -> list[str]:
        """Why this partner may not serve a valid request's person."""
        account, keys = caller(), frozenset(qualification.product_keys(values))
        limits = self.cache.get(("limits", account.id), lambda tx: store.limits_of(tx, account))
        mapped = self.cache.get(
            ("products", account.id, keys), lambda tx: store.mapped_products(tx, account, keys)
        )
        return qualification.disqualifications(values, limits, mapped, today)


def own(tx: Connection, keys: Mapping[str, Any]) -> Row[Any]:
    """The caller's session with these keys; raises NotFound."""
    found = store.session_of(tx, caller(), keys["user_key"], keys["session_key"])
    if found is None:
        raise NotFound("You have no such session of this user.")
    return found


def qualify(codes: list[str]) -> None:
    """Raise Forbidden for whoever is disqualified."""
    if codes:
        raise Forbidden(
            "This person does not qualify for the service.",
            reason="DISQUALIFIED",
            metadata={"disqualifications": ",".join(codes)},
        )


def own_secret(call: Call) -> str:
    """What only the caller has."""
    return ":".join(basic_credentials(call.metadata["authorization"]))


def serve(
    database: Database,
    listen: str,
    public_url: str,
    now: Callable[[], datetime] = utc_now,
) -> RunningServer:
    """Start the sessions service; its links begin with the public URL."""
    cache = ReferenceCache(database, store.changes)
    of = pb.DESCRIPTOR.services_by_name
    return start_server(
        [
            (
                SessionService(database, cache, public_url, now),
                rpc.add_SessionServiceServicer_to_server,
                of["SessionService"],
            ),
            (
                SessionDeskService(database, now),
                rpc.add_SessionDeskServiceServicer_to_server,
                of["SessionDeskService"],
            ),
            (
                door.DoorService(database, now),
                rpc.add_DoorServiceServicer_to_server,
                door.SERVICE,
            ),
        ],
        database=database,
        idempotency_keys=store.idempotency_keys,
        authenticate=store.accounts.basic_authenticator(cache),
        open_rpcs=door.OPEN_RPCS,
        max_request_bytes=LARGEST,
        listen=listen,
    )
