"""The door: what is answered to the holder of a link."""

from collections.abc import Callable
from datetime import datetime
from typing import Any

import grpc
from sqlalchemy import Row

from chassis.context import utc_now
from chassis.errors import NotFound, WrongState
from chassis.store.database import Database
from chassis.validation import Rules
from protos import sessions_pb2 as pb
from protos import sessions_pb2_grpc as rpc
from sessions_svc.actions import journey
from sessions_svc.rules import links as visits
from sessions_svc.rules.acuity import snellen, snellen_metres
from sessions_svc.rules.sessions import Status
from sessions_svc.store import links

ENTER_EXAM = Rules(visits.ENTER_EXAM)
COMPLETE_EXAM = Rules(visits.COMPLETE_EXAM)
BEFORE = (Status.CREATED, Status.RETAKE_REQUESTED)
SERVICE = pb.DESCRIPTOR.services_by_name["DoorService"]
# Nobody has an account here: the token is the credential.
OPEN_RPCS = frozenset(f"/{SERVICE.full_name}/{method.name}" for method in SERVICE.methods)
UNKNOWN = "No link has this token and these keys."
OVER = "This link has been used, or is too old, or its session has ended."


class DoorService(rpc.DoorServiceServicer):
    """What the person may do who holds a link."""

    def __init__(self, database: Database, now: Callable[[], datetime] = utc_now) -> None:
        self.database = database
        self.now = now

    def GetDoor(self, request: pb.GetDoorRequest, context: grpc.ServicerContext) -> pb.Door:
        with self.database.read() as tx:
            link = of(request, links.find(tx, request.token))
        ensure(link.exam_hash is None and link.expires_at > self.now())
        ensure(not visits.has_ended(link.status))
        return pb.Door(
            first_name=link.first_name,
            last_name=link.last_name,
            products=products(link),
            status=link.status,
        )

    def EnterExam(
        self, request: pb.EnterExamRequest, context: grpc.ServicerContext
    ) -> pb.EnterExamResponse:
        ENTER_EXAM.check(request)
        token, now = links.exam_token(request.token, request.visit), self.now()
        with self.database.write() as tx:
            link = of(request, links.find(tx, request.token, hold=True))
            if links.use(tx, request.token, token, now):
                ensure(not visits.has_ended(link.status))
                if link.status in BEFORE:
                    journey.move(tx, link, Status.STARTED, now)
            exam = links.exam_of(tx, token)
            ensure(exam is not None)
            return pb.EnterExamResponse(
                exam_token=token, expires_at=self.alive(exam).exam_expires_at
            )

    def GetExam(self, request: pb.GetExamRequest, context: grpc.ServicerContext) -> pb.Exam:
        with self.database.read() as tx:
            return document(self.alive(links.exam_of(tx, request.exam_token)))

    def CompleteExam(
        self, request: pb.CompleteExamRequest, context: grpc.ServicerContext
    ) -> pb.Exam:
        values = COMPLETE_EXAM.check(request)
        with self.database.write() as tx:
            exam = self.alive(links.exam_of(tx, request.exam_token, hold=True))
            if exam.status != Status.COMPLETED:
                found = values["visual_acuity"]
                journey.move(tx, exam, Status.COMPLETED, self.now(), visual_acuity=found)
            return document(known(links.exam_of(tx, request.exam_token)))

    def alive(self, exam: Row[Any] | None) -> Row[Any]:
        """The exam, if its token is still good."""
        exam = known(exam)
        ensure(exam.exam_expires_at > self.now())
        return exam


def of(request: pb.GetDoorRequest | pb.EnterExamRequest, link: Row[Any] | None) -> Row[Any]:
    """The link, if it is of the request's keys."""
    link = known(link)
    if (link.user_key, link.session_key) != (request.user_key, request.session_key):
        raise NotFound(UNKNOWN)
    return link


def known(row: Row[Any] | None) -> Row[Any]:
    """Raise NotFound for what has never been given out."""
    if row is None:
        raise NotFound(UNKNOWN)
    return row


def ensure(good: bool) -> None:
    """Raise WrongState for what was good once."""
    if not good:
        raise WrongState(OVER)


def products(session: Row[Any]) -> list[pb.Product]:
    """What was ordered."""
    return [pb.Product(type=each) for each in session.products]


def document(exam: Row[Any]) -> pb.Exam:
    """An exam as it stands now."""
    found = pb.Exam(
        partner=exam.partner,
        user_key=exam.user_key,
        session_key=exam.session_key,
        status=exam.status,
        products=products(exam),
        next=visits.next_step(exam.status, exam.is_acuity),
    )
    if exam.redirect_url:
        found.return_url = visits.return_url(
            exam.redirect_url,
            exam.user_key,
            exam.session_key,
            exam.status,
            exam.missing_requirements or (),
        )
    if exam.visual_acuity:
        found.right_eye.CopyFrom(eye_result(**exam.visual_acuity["right_eye"]))
        found.left_eye.CopyFrom(eye_result(**exam.visual_acuity["left_eye"]))
    return found


def eye_result(logmar: float | None = None) -> pb.EyeResult:
    """One eye's result in the words of charts."""
    if logmar is None:
        return pb.EyeResult()
    return pb.EyeResult(logmar=logmar, feet=snellen(logmar), metres=snellen_metres(logmar))
