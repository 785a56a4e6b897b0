"""SessionDeskService: what the operator's own staff and systems call, for any partner."""

from collections.abc import Callable
from datetime import datetime
from typing import Any

import grpc
import msgspec
from google.protobuf.message import Message
from sqlalchemy import Row

from chassis.context import utc_now
from chassis.events.desk import LIST_EVENTS, REPLAY_EVENT, describe_event, list_events
from chassis.persons import find_rows
from chassis.store.database import Database
from chassis.validation import Rules, refuse
from protos import sessions_pb2 as pb
from protos import sessions_pb2_grpc as rpc
from sessions_svc import reference
from sessions_svc.actions.approve import add_pdfs, approve
from sessions_svc.actions.configure_partner import configure_partner
from sessions_svc.actions.events.replay_event import replay_event
from sessions_svc.actions.exam.choose_product import choose_product
from sessions_svc.actions.exam.complete_acuity import complete_acuity
from sessions_svc.actions.exam.start_exam import start_exam
from sessions_svc.actions.exam.submit_exam import submit_exam
from sessions_svc.actions.payments.record_payment import record_payment
from sessions_svc.actions.payments.refund_payment import refund_payment
from sessions_svc.actions.persons.erase_person import erase_person
from sessions_svc.actions.refer import refer
from sessions_svc.actions.request_confirmation import request_confirmation
from sessions_svc.actions.request_retake import request_retake
from sessions_svc.actions.verification.record_verification import record_verification
from sessions_svc.actions.verification.request_verification import (
    find_place_faults,
    request_verification,
)
from sessions_svc.documents.persons import export_person
from sessions_svc.documents.sessions import compose_session, compose_session_record
from sessions_svc.rules import session_moves, verification
from sessions_svc.rules.persons import PERSON_REQUEST
from sessions_svc.store.persons import find_sessions_of_person
from sessions_svc.store.sessions import get_session_record
from sessions_svc.store.tables import idempotency_keys, outbox

SESSION_MOVE = Rules(session_moves.SESSION_MOVE)
SUBMIT_EXAM = Rules(session_moves.SUBMIT_EXAM)
CHOOSE_PRODUCT = Rules(session_moves.CHOOSE_PRODUCT)
PAYMENT = Rules(session_moves.PAYMENT)
REQUEST_VERIFICATION = Rules(verification.REQUEST_VERIFICATION)
RECORD_VERIFICATION = Rules(verification.RECORD_VERIFICATION)
REQUEST_CONFIRMATION = Rules(session_moves.REQUEST_CONFIRMATION)
APPROVE = Rules(session_moves.APPROVE)
COMPLETE_ACUITY = Rules(session_moves.COMPLETE_ACUITY)
CONFIGURE_PARTNER = Rules(reference.CONFIGURE_PARTNER)
PERSON = Rules(PERSON_REQUEST)


class SessionDeskService(rpc.SessionDeskServiceServicer):
    """Shows and moves sessions, and configures partners."""

    def __init__(self, database: Database, now: Callable[[], datetime] = utc_now) -> None:
        self.database = database
        self.now = now

    def StartExam(self, request: pb.StartExamRequest, context: grpc.ServicerContext) -> pb.Session:
        return self._move(SESSION_MOVE, request, start_exam)

    def ChooseProduct(
        self, request: pb.ChooseProductRequest, context: grpc.ServicerContext
    ) -> pb.Session:
        return self._move(CHOOSE_PRODUCT, request, choose_product)

    def SubmitExam(
        self, request: pb.SubmitExamRequest, context: grpc.ServicerContext
    ) -> pb.Session:
        return self._move(SUBMIT_EXAM, request, submit_exam)

    def RequestConfirmation(
        self, request: pb.RequestConfirmationRequest, context: grpc.ServicerContext
    ) -> pb.Session:
        return self._move(REQUEST_CONFIRMATION, request, request_confirmation)

    def RequestRetake(
        self, request: pb.RequestRetakeRequest, context: grpc.ServicerContext
    ) -> pb.Session:
        return self._move(SESSION_MOVE, request, request_retake)

    def Approve(self, request: pb.ApproveRequest, context: grpc.ServicerContext) -> pb.Session:
        values, now = APPROVE.check(request), self.now()
        with self.database.read() as tx:
            add_pdfs(tx, values, now)
        with self.database.write() as tx:
            return idempotency_keys.save(tx, compose_session(approve(tx, **values, now=now)))

    def Refer(self, request: pb.ReferRequest, context: grpc.ServicerContext) -> pb.Session:
        return self._move(SESSION_MOVE, request, refer)

    def CompleteAcuity(
        self, request: pb.CompleteAcuityRequest, context: grpc.ServicerContext
    ) -> pb.Session:
        return self._move(COMPLETE_ACUITY, request, complete_acuity)

    def RecordPayment(
        self, request: pb.RecordPaymentRequest, context: grpc.ServicerContext
    ) -> pb.Session:
        return self._move(PAYMENT, request, record_payment)

    def RefundPayment(
        self, request: pb.RefundPaymentRequest, context: grpc.ServicerContext
    ) -> pb.SessionRecord:
        return self._show(PAYMENT.check(request), refund_payment)

    def RequestVerification(
        self, request: pb.RequestVerificationRequest, context: grpc.ServicerContext
    ) -> pb.SessionRecord:
        values, faults = REQUEST_VERIFICATION.examine(request)
        refuse(faults, find_place_faults(values))
        return self._show(values, request_verification)

    def RecordVerification(
        self, request: pb.RecordVerificationRequest, context: grpc.ServicerContext
    ) -> pb.SessionRecord:
        return self._show(RECORD_VERIFICATION.check(request), record_verification)

    def GetSessionRecord(
        self, request: pb.GetSessionRecordRequest, context: grpc.ServicerContext
    ) -> pb.SessionRecord:
        keys = SESSION_MOVE.check(request)
        with self.database.read() as tx:
            return compose_session_record(tx, get_session_record(tx, **keys), self.now())

    def ConfigurePartner(
        self, request: pb.ConfigurePartnerRequest, context: grpc.ServicerContext
    ) -> pb.ConfigurePartnerResponse:
        values, now = CONFIGURE_PARTNER.check(request), self.now()
        with self.database.write() as tx:
            secret = configure_partner(tx, values["partner"], values, now)
            return idempotency_keys.save(tx, pb.ConfigurePartnerResponse(endpoint_secret=secret))

    def _move(self, rules: Rules, request: Message, action: Callable[..., Row[Any]]) -> pb.Session:
        """Validate a request, run the action that moves its session, and return the session."""
        values, now = rules.check(request), self.now()
        with self.database.write() as tx:
            return idempotency_keys.save(tx, compose_session(action(tx, **values, now=now)))

    def _show(self, values: dict[str, Any], action: Callable[..., Row[Any]]) -> pb.SessionRecord:
        """Run the action, and return the record of its session."""
        now = self.now()
        with self.database.write() as tx:
            record = action(tx, **values, now=now)
            return idempotency_keys.save(tx, compose_session_record(tx, record, now))

    def ListEvents(
        self, request: pb.ListEventsRequest, context: grpc.ServicerContext
    ) -> pb.ListEventsResponse:
        wanted = LIST_EVENTS.check(request)
        with self.database.read() as tx:
            return pb.ListEventsResponse(**list_events(tx, outbox, **wanted))

    def ReplayEvent(
        self, request: pb.ReplayEventRequest, context: grpc.ServicerContext
    ) -> pb.Event:
        event_id = REPLAY_EVENT.check(request)["event_id"]
        with self.database.write() as tx:
            row = replay_event(tx, event_id, self.now())
            return idempotency_keys.save(tx, pb.Event(**describe_event(row)))

    def ExportPerson(
        self, request: pb.ExportPersonRequest, context: grpc.ServicerContext
    ) -> pb.ExportPersonResponse:
        ids = self._find_person(request)
        with self.database.stream() as tx:
            found = msgspec.json.encode(export_person(tx, ids)).decode()
        return pb.ExportPersonResponse(document=found)

    def ErasePerson(
        self, request: pb.ErasePersonRequest, context: grpc.ServicerContext
    ) -> pb.ErasePersonResponse:
        ids = self._find_person(request)
        with self.database.write(shred=True) as tx:
            erase_person(tx, ids, self.now(), request.include_open)
            return idempotency_keys.save(tx, pb.ErasePersonResponse(erased=len(ids)))

    def _find_person(self, request: pb.ExportPersonRequest | pb.ErasePersonRequest) -> list[str]:
        values = PERSON.check(request)
        return find_rows(self.database, find_sessions_of_person, values, "partner")
