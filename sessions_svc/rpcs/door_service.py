"""DoorService: what the holder of a link calls, without an account."""

from collections.abc import Callable
from datetime import datetime

import grpc

from chassis.context import utc_now
from chassis.store.database import Database
from chassis.validation import Rules
from protos import sessions_pb2 as pb
from protos import sessions_pb2_grpc as rpc
from sessions_svc.actions.exam.complete_exam import complete_exam
from sessions_svc.actions.exam.enter_exam import enter_exam
from sessions_svc.actions.payments.create_checkout import create_checkout
from sessions_svc.actions.payments.receive_payment_callback import receive_payment_callback
from sessions_svc.documents.exams import compose_door, compose_exam
from sessions_svc.rules import links
from sessions_svc.store.links import get_open_exam, get_open_link

ENTER_EXAM = Rules(links.ENTER_EXAM)
CREATE_CHECKOUT = Rules(links.CREATE_CHECKOUT)
COMPLETE_EXAM = Rules(links.COMPLETE_EXAM)


class DoorService(rpc.DoorServiceServicer):
    """Shows a link, and opens, shows and completes its exam."""

    def __init__(
        self, database: Database, public_url: str, now: Callable[[], datetime] = utc_now
    ) -> None:
        self.database = database
        self.public_url = public_url
        self.now = now

    def GetDoor(self, request: pb.GetDoorRequest, context: grpc.ServicerContext) -> pb.Door:
        keys = (request.user_key, request.session_key)
        with self.database.read() as tx:
            return compose_door(get_open_link(tx, *keys, request.token, self.now()))

    def EnterExam(
        self, request: pb.EnterExamRequest, context: grpc.ServicerContext
    ) -> pb.EnterExamResponse:
        product = ENTER_EXAM.check(request).get("product")
        keys = (request.user_key, request.session_key)
        exam_token = links.derive_exam_token(request.token, request.visit)
        with self.database.write() as tx:
            exam = enter_exam(tx, *keys, request.token, exam_token, self.now(), product)
            return pb.EnterExamResponse(exam_token=exam_token, expires_at=exam.exam_expires_at)

    def GetExam(self, request: pb.GetExamRequest, context: grpc.ServicerContext) -> pb.Exam:
        with self.database.read() as tx:
            return compose_exam(tx, get_open_exam(tx, request.exam_token, self.now()))

    def CompleteExam(
        self, request: pb.CompleteExamRequest, context: grpc.ServicerContext
    ) -> pb.Exam:
        values = {**COMPLETE_EXAM.check(request), "exam_token": request.exam_token}
        with self.database.write() as tx:
            return compose_exam(tx, complete_exam(tx, **values, now=self.now()))

    def CreateCheckout(
        self, request: pb.CreateCheckoutRequest, context: grpc.ServicerContext
    ) -> pb.Exam:
        values = {**CREATE_CHECKOUT.check(request), "exam_token": request.exam_token}
        with self.database.write() as tx:
            exam = create_checkout(tx, **values, public_url=self.public_url, now=self.now())
            return compose_exam(tx, exam)

    def ReceivePaymentCallback(
        self, request: pb.ReceivePaymentCallbackRequest, context: grpc.ServicerContext
    ) -> pb.ReceivePaymentCallbackResponse:
        with self.database.write() as tx:
            receive_payment_callback(
                tx, request.partner, request.signature, request.body, self.now()
            )
        return pb.ReceivePaymentCallbackResponse(received=True)
