"""SubscriptionDeskService: what the operator's own staff and systems call, for every merchant."""

from collections.abc import Callable
from datetime import datetime

import grpc
import msgspec

from chassis.context import note_ids, utc_now
from chassis.events.desk import LIST_EVENTS, REPLAY_EVENT, describe_event, list_events
from chassis.messages.reader import MALFORMED
from chassis.pages import build_page_meta
from chassis.persons import find_rows
from chassis.store.database import Database
from chassis.validation import Rules, refuse
from protos import subscriptions_pb2 as pb
from protos import subscriptions_pb2_grpc as rpc
from subscriptions_svc.actions.confirm_subscription import confirm_subscription
from subscriptions_svc.actions.events.replay_event import replay_event
from subscriptions_svc.actions.lenses.record_verification import record_verification
from subscriptions_svc.actions.lenses.request_verification import request_verification
from subscriptions_svc.actions.paying.import_payments import import_payments
from subscriptions_svc.actions.paying.move_payment import move_payment
from subscriptions_svc.actions.paying.refund_payment import refund_payment
from subscriptions_svc.actions.paying.request_payment import request_payment
from subscriptions_svc.actions.paying.settle_payment import settle_payment
from subscriptions_svc.actions.persons.erase_person import erase_person
from subscriptions_svc.actions.record_payment import record_payment
from subscriptions_svc.documents.paying.payments import build_payment
from subscriptions_svc.documents.paying.statements import export_statement
from subscriptions_svc.documents.persons import export_person
from subscriptions_svc.rules import subscriptions
from subscriptions_svc.rules.paying import payments
from subscriptions_svc.rules.prescriptions import schemas
from subscriptions_svc.store.paying.payments import read_payments
from subscriptions_svc.store.persons import find_subscriptions_of_person
from subscriptions_svc.store.subscriptions import find_subscription
from subscriptions_svc.store.tables import idempotency_keys, outbox

REQUEST_VERIFICATION = Rules(schemas.REQUEST_VERIFICATION, reason=MALFORMED)
RECORD_VERIFICATION = Rules(schemas.RECORD_VERIFICATION, reason=MALFORMED)
RECORD_PAYMENT = Rules(subscriptions.RECORD_PAYMENT, reason=MALFORMED)
LIST_PAYMENTS = Rules(payments.LIST_PAYMENTS)
SETTLE_PAYMENT = Rules(payments.SETTLE_PAYMENT)
REFUND_PAYMENT = Rules(payments.REFUND_PAYMENT)
MOVE_PAYMENT = Rules(payments.MOVE_PAYMENT)
EXPORT_STATEMENT = Rules(payments.EXPORT_STATEMENT)
PERSON = Rules(subscriptions.PERSON_REQUEST)


class SubscriptionDeskService(rpc.SubscriptionDeskServiceServicer):
    """The RPCs of staff; their contracts are in protos/subscriptions.proto."""

    def __init__(
        self, database: Database, now: Callable[[], datetime] = utc_now, public_url: str = ""
    ) -> None:
        self.database = database
        self.now = now
        self.public_url = public_url

    def ConfirmSubscription(
        self, request: pb.ConfirmSubscriptionRequest, context: grpc.ServicerContext
    ) -> pb.Subscription:
        with self.database.write() as tx:
            subscription = find_subscription(tx, request.subscription_id, lock=True)
            return idempotency_keys.save(tx, confirm_subscription(tx, subscription, self.now()))

    def RecordPayment(
        self, request: pb.RecordPaymentRequest, context: grpc.ServicerContext
    ) -> pb.Subscription:
        values, faults = RECORD_PAYMENT.examine(request)
        with self.database.write() as tx:
            subscription = find_subscription(tx, request.subscription_id, lock=True)
            refuse(faults, reason=MALFORMED)
            successful = values["successful"]
            answer = record_payment(tx, subscription, self.now(), successful=successful)
            return idempotency_keys.save(tx, answer)

    def RequestVerification(
        self, request: pb.RequestVerificationRequest, context: grpc.ServicerContext
    ) -> pb.Verification:
        values, faults = REQUEST_VERIFICATION.examine(request)
        with self.database.write() as tx:
            subscription = find_subscription(tx, request.subscription_id, lock=True)
            refuse(faults, reason=MALFORMED)
            uuid = values["reference_uuid"]
            answer = request_verification(tx, subscription, uuid, self.now())
            return idempotency_keys.save(tx, answer)

    def RecordVerification(
        self, request: pb.RecordVerificationRequest, context: grpc.ServicerContext
    ) -> pb.Verification:
        values, faults = RECORD_VERIFICATION.examine(request)
        with self.database.write() as tx:
            subscription = find_subscription(tx, request.subscription_id, lock=True)
            refuse(faults, reason=MALFORMED)
            answer = record_verification(tx, subscription, values, self.now())
            return idempotency_keys.save(tx, answer)

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

    def ListPayments(
        self, request: pb.ListPaymentsRequest, context: grpc.ServicerContext
    ) -> pb.ListPaymentsResponse:
        filters = LIST_PAYMENTS.check(request)
        page, per_page = filters.pop("page"), filters.pop("per_page")
        with self.database.read() as tx:
            rows, total = read_payments(tx, filters, page, per_page)
            data = [build_payment(tx, row) for row in rows]
        note_ids(*(row.subscription_id for row in rows))
        meta = pb.PageMeta(**build_page_meta(page, per_page, total))
        return pb.ListPaymentsResponse(meta=meta, data=data)

    def SettlePayment(
        self, request: pb.SettlePaymentRequest, context: grpc.ServicerContext
    ) -> pb.Payment:
        values = SETTLE_PAYMENT.check(request)
        with self.database.write() as tx:
            return idempotency_keys.save(tx, settle_payment(tx, values, self.now()))

    def RefundPayment(
        self, request: pb.RefundPaymentRequest, context: grpc.ServicerContext
    ) -> pb.Payment:
        values = REFUND_PAYMENT.check(request)
        with self.database.write() as tx:
            return idempotency_keys.save(tx, refund_payment(tx, values, self.now()))

    def MovePayment(
        self, request: pb.MovePaymentRequest, context: grpc.ServicerContext
    ) -> pb.Payment:
        values = MOVE_PAYMENT.check(request)
        with self.database.write() as tx:
            return idempotency_keys.save(tx, move_payment(tx, values, self.now()))

    def RequestPayment(
        self, request: pb.RequestPaymentRequest, context: grpc.ServicerContext
    ) -> pb.Payment:
        with self.database.write() as tx:
            answer = request_payment(tx, request.payment_id, self.public_url, self.now())
            return idempotency_keys.save(tx, answer)

    def ImportPayments(
        self, request: pb.ImportPaymentsRequest, context: grpc.ServicerContext
    ) -> pb.ImportPaymentsResponse:
        with self.database.write() as tx:
            answer = import_payments(tx, request.document, self.now())
            return idempotency_keys.save(tx, answer)

    def ExportStatement(
        self, request: pb.ExportStatementRequest, context: grpc.ServicerContext
    ) -> pb.ExportStatementResponse:
        values = EXPORT_STATEMENT.check(request)
        with self.database.read() as tx:
            document = export_statement(
                tx, values["merchant_id"], values["month"], values["format"]
            )
        return pb.ExportStatementResponse(document=document)

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
        return find_rows(self.database, find_subscriptions_of_person, values, "merchant_id")
