"""What the operator's own staff and systems call, whoever the partner."""

from collections.abc import Callable
from datetime import datetime
from typing import Any

import grpc
from google.protobuf.message import Message
from sqlalchemy import Row

from chassis.context import utc_now
from chassis.errors import NotFound
from chassis.store.database import Database
from chassis.store.reference_cache import invalidate
from chassis.validation import Rules
from protos import sessions_pb2 as pb
from protos import sessions_pb2_grpc as rpc
from sessions_svc import documents, journey, reference, rules, store
from sessions_svc.rules import Status

MOVE = Rules(rules.MOVE)
SUBMIT_EXAM = Rules(rules.SUBMIT_EXAM)
REQUEST_CONFIRMATION = Rules(rules.REQUEST_CONFIRMATION)
APPROVE = Rules(rules.APPROVE)
COMPLETE_ACUITY = Rules(rules.COMPLETE_ACUITY)
CONFIGURE_PARTNER = Rules(reference.CONFIGURE_PARTNER)


class SessionDeskService(rpc.SessionDeskServiceServicer):
    """Shows and moves sessions, and configures partners."""

    def __init__(self, database: Database, now: Callable[[], datetime] = utc_now) -> None:
        self.database = database
        self.now = now

    def StartExam(self, request: pb.StartExamRequest, context: grpc.ServicerContext) -> pb.Session:
        return self.move(MOVE, request, Status.STARTED)

    def SubmitExam(
        self, request: pb.SubmitExamRequest, context: grpc.ServicerContext
    ) -> pb.Session:
        return self.move(SUBMIT_EXAM, request)

    def RequestConfirmation(
        self, request: pb.RequestConfirmationRequest, context: grpc.ServicerContext
    ) -> pb.Session:
        return self.move(REQUEST_CONFIRMATION, request, Status.AWAITING_CONFIRMATION)

    def RequestRetake(
        self, request: pb.RequestRetakeRequest, context: grpc.ServicerContext
    ) -> pb.Session:
        return self.move(MOVE, request, Status.RETAKE_REQUESTED)

    def Approve(self, request: pb.ApproveRequest, context: grpc.ServicerContext) -> pb.Session:
        return self.move(APPROVE, request, Status.APPROVED)

    def Refer(self, request: pb.ReferRequest, context: grpc.ServicerContext) -> pb.Session:
        return self.move(MOVE, request, Status.REFERRED)

    def CompleteAcuity(
        self, request: pb.CompleteAcuityRequest, context: grpc.ServicerContext
    ) -> pb.Session:
        return self.move(COMPLETE_ACUITY, request, Status.COMPLETED)

    def GetSessionRecord(
        self, request: pb.GetSessionRecordRequest, context: grpc.ServicerContext
    ) -> pb.SessionRecord:
        keys = MOVE.check(request)
        with self.database.read() as tx:
            return documents.record(tx, known(store.session_record(tx, **keys)))

    def ConfigurePartner(
        self, request: pb.ConfigurePartnerRequest, context: grpc.ServicerContext
    ) -> pb.ConfigurePartnerResponse:
        values, now = CONFIGURE_PARTNER.check(request), self.now()
        name, configured = values["partner"], pb.ConfigurePartnerResponse()
        with self.database.write() as tx:
            account_id = store.partner_id(tx, name)
            if account_id is None:
                raise NotFound("There is no such partner.")
            reference.put_partner(tx, account_id, name, values, now)
            invalidate(tx, store.changes)
            if values["endpoint"]:
                configured.endpoint_secret = store.outbox.endpoints.get(tx, name).secret
            return store.idempotency_keys.save(tx, configured)

    def move(self, check: Rules, request: Message, to: Status | None = None) -> pb.Session:
        """Move a partner's session as asked: to the given status, or to the one in the request."""
        values, now = check.check(request), self.now()
        partner, session_key = values.pop("partner"), values.pop("session_key")
        status = to or Status(values.pop("status"))
        with self.database.write() as tx:
            session = known(store.partners_session(tx, partner, session_key))
            return store.idempotency_keys.save(tx, journey.move(tx, session, status, now, **values))


def known(session: Row[Any] | None) -> Row[Any]:
    """Raise NotFound for a session that there is not."""
    if session is None:
        raise NotFound("The partner has no such session.")
    return session
