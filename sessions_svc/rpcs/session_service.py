"""SessionService: what partners call."""

from collections.abc import Callable
from datetime import date, datetime
from typing import Any

import grpc

from chassis.context import Call, get_caller, get_current_call, utc_now
from chassis.pages import build_page_meta
from chassis.server.accounts import read_basic_credentials
from chassis.server.idempotency import derive_secret
from chassis.server.preconditions import read_versions, report_version
from chassis.store.database import Database
from chassis.store.reference_cache import ReferenceCache
from chassis.validation import Rules, refuse
from protos import sessions_pb2 as pb
from protos import sessions_pb2_grpc as rpc
from sessions_svc.actions.cancel_session import cancel_session
from sessions_svc.actions.create_authentication import create_authentication
from sessions_svc.actions.create_kiosk_link import create_kiosk_link
from sessions_svc.actions.create_session import create_session, refuse_disqualified
from sessions_svc.actions.replace_session import replace_session
from sessions_svc.documents.exams import compose_authentication
from sessions_svc.documents.fhir import compose_fhir
from sessions_svc.documents.sessions import (
    compose_listed_sessions,
    compose_session,
    compose_session_in_full,
)
from sessions_svc.rules import links as link_rules
from sessions_svc.rules import sessions as session_rules
from sessions_svc.rules.qualification import collect_product_keys, find_disqualifications
from sessions_svc.store import partners
from sessions_svc.store.dispensed_prescriptions import get_dispensed_prescription
from sessions_svc.store.sessions import get_session, list_sessions
from sessions_svc.store.tables import idempotency_keys

CHECK_QUALIFICATION = Rules(session_rules.CHECK_QUALIFICATION)
CREATE_SESSION = Rules(session_rules.CREATE_SESSION, raw=("partner_info",))
LIST_SESSIONS = Rules(session_rules.LIST_SESSIONS)
SESSION_KEYS = Rules(session_rules.SESSION_KEYS)
CREATE_AUTHENTICATION = Rules(link_rules.CREATE_AUTHENTICATION)


class SessionService(rpc.SessionServiceServicer):
    """Checks qualification, and creates, shows, replaces and cancels sessions."""

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
        refuse(faults, session_rules.find_date_faults(values, today))
        codes = self._find_disqualifications(values, today)
        answer = pb.CheckQualificationResponse(qualifies=not codes, disqualifications=codes)
        if not get_current_call().idempotency_key:
            return answer
        with self.database.write() as tx:
            return idempotency_keys.save(tx, answer)

    def CreateSession(
        self, request: pb.CreateSessionRequest, context: grpc.ServicerContext
    ) -> pb.Session:
        now = self.now()
        values = self._validate_session(request, now.date())
        refuse_disqualified(self._find_disqualifications(values, now.date()))
        with self.database.write() as tx:
            session = create_session(tx, get_caller().id, values, now)
            return idempotency_keys.save(tx, compose_session(session))

    def ListSessions(
        self, request: pb.ListSessionsRequest, context: grpc.ServicerContext
    ) -> pb.ListSessionsResponse:
        values = LIST_SESSIONS.check(request)
        with self.database.read() as tx:
            rows, total = list_sessions(tx, get_caller().id, **values)
            listed = compose_listed_sessions(tx, rows)
        meta = pb.PageMeta(**build_page_meta(values["page"], values["per_page"], total))
        return pb.ListSessionsResponse(meta=meta, data=listed)

    def GetSession(
        self, request: pb.GetSessionRequest, context: grpc.ServicerContext
    ) -> pb.Session:
        keys = SESSION_KEYS.check(request)
        with self.database.read() as tx:
            session = get_session(tx, get_caller().id, **keys)
            report_version(session.version)
            return compose_session_in_full(tx, session)

    def ReplaceSession(
        self, request: pb.ReplaceSessionRequest, context: grpc.ServicerContext
    ) -> pb.Session:
        now = self.now()
        values = self._validate_session(request, now.date())
        codes = self._find_disqualifications(values, now.date())
        with self.database.write() as tx:
            session = replace_session(tx, get_caller().id, values, codes, now, read_versions())
            report_version(session.version)
            return idempotency_keys.save(tx, compose_session(session))

    def CancelSession(
        self, request: pb.CancelSessionRequest, context: grpc.ServicerContext
    ) -> pb.Session:
        keys, now = SESSION_KEYS.check(request), self.now()
        with self.database.write() as tx:
            session = cancel_session(tx, get_caller().id, **keys, now=now, versions=read_versions())
            report_version(session.version)
            return idempotency_keys.save(tx, compose_session(session))

    def CreateAuthentication(
        self, request: pb.CreateAuthenticationRequest, context: grpc.ServicerContext
    ) -> pb.Authentication:
        values, now, call = CREATE_AUTHENTICATION.check(request), self.now(), get_current_call()
        token = derive_secret(get_account_secret(call), call.idempotency_key)
        settings = self._find_settings()
        values.setdefault("redirect_url", settings.redirect_url)
        with self.database.write() as tx:
            expires_at = create_authentication(
                tx, get_caller().id, **values, call=call, token=token, now=now
            )
        keys = (values["user_key"], values["session_key"])
        link = link_rules.build_link(self.public_url, settings.link_host, *keys, token)
        return compose_authentication(link, expires_at)

    def CreateKioskLink(
        self, request: pb.CreateKioskLinkRequest, context: grpc.ServicerContext
    ) -> pb.Authentication:
        keys, now, call = SESSION_KEYS.check(request), self.now(), get_current_call()
        name = link_rules.name_kiosk_link(**keys, now=now)
        token = derive_secret(get_account_secret(call), name)
        settings = self._find_settings()
        with self.database.write() as tx:
            expires_at = create_kiosk_link(
                tx,
                get_caller().id,
                **keys,
                redirect_url=settings.redirect_url,
                token=token,
                now=now,
            )
        link = link_rules.build_link(self.public_url, settings.link_host, **keys, token=token)
        return compose_authentication(link, expires_at)

    def GetPrescriptionFhir(
        self, request: pb.GetPrescriptionFhirRequest, context: grpc.ServicerContext
    ) -> pb.FhirDocument:
        with self.database.read() as tx:
            row = get_dispensed_prescription(tx, get_caller().id, request.prescription_id)
        return compose_fhir(row)

    def WhoAmI(self, request: pb.WhoAmIRequest, context: grpc.ServicerContext) -> pb.WhoAmIResponse:
        account = get_caller()
        with self.database.read() as tx:
            return pb.WhoAmIResponse(
                partner=account.name,
                stores=partners.list_enabled_stores(tx, account.id),
                products=partners.list_products(tx, account.id),
            )

    def _validate_session(
        self, request: pb.CreateSessionRequest | pb.ReplaceSessionRequest, today: date
    ) -> dict[str, Any]:
        """Return the values of a valid request; raise Invalid with every fault."""
        values, faults = CREATE_SESSION.examine(request)
        account_id, store_id = get_caller().id, values.get("store_id")
        enabled = self.cache.get(
            ("store", account_id, store_id),
            lambda tx: partners.find_enabled_stores(tx, account_id, store_id),
        )
        refuse(
            faults,
            session_rules.find_date_faults(values, today),
            session_rules.find_store_faults(values, enabled),
        )
        return values

    def _find_settings(self) -> partners.Settings:
        account_id = get_caller().id
        return self.cache.get(
            ("settings", account_id), lambda tx: partners.find_settings(tx, account_id)
        )

    def _find_disqualifications(self, values: dict[str, Any], today: date) -> list[str]:
        """Return why the person of a valid request does not qualify with this partner."""
        account_id, keys = get_caller().id, frozenset(collect_product_keys(values))
        limits = self.cache.get(
            ("limits", account_id), lambda tx: partners.find_limits(tx, account_id)
        )
        mapped = self.cache.get(
            ("products", account_id, keys),
            lambda tx: partners.find_mapped_products(tx, account_id, keys),
        )
        return find_disqualifications(values, limits, mapped, today)


def get_account_secret(call: Call) -> str:
    """Return a secret that only the caller's account holds: its credentials."""
    return ":".join(read_basic_credentials(call.metadata["authorization"]))
