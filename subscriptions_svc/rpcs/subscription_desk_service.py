"""SubscriptionDeskService: what the operator's own staff and systems call, for every merchant."""

from collections.abc import Callable
from datetime import datetime

import grpc
import msgspec

from chassis.context import utc_now
from chassis.events.desk import LIST_EVENTS, REPLAY_EVENT, describe_event, list_events
from chassis.messages.reader import MALFORMED
from chassis.persons import find_rows
from chassis.store.database import Database
from chassis.validation import Rules, refuse
from protos import subscriptions_pb2 as pb
from protos import subscriptions_pb2_grpc as rpc
from subscriptions_svc.actions.confirm_subscription import confirm_subscription
from subscriptions_svc.actions.events.replay_event import replay_event
from subscriptions_svc.actions.lenses.record_verification import record_verification
from subscriptions_svc.actions.lenses.request_verification import request_verification
from subscriptions_svc.actions.persons.erase_person import erase_person
from subscriptions_svc.actions.record_payment import record_payment
from subscriptions_svc.documents.persons import export_person
from subscriptions_svc.rules import subscriptions
from subscriptions_svc.rules.prescriptions import schemas
from subscriptions_svc.store.persons import find_subscriptions_of_person
from subscriptions_svc.store.subscriptions import find_subscription
from subscriptions_svc.store.tables import idempotency_keys, outbox

REQUEST_VERIFICATION = Rules(schemas.REQUEST_VERIFICATION, reason=MALFORMED)
RECORD_VERIFICATION = Rules(schemas.RECORD_VERIFICATION, reason=MALFORMED)
RECORD_PAYMENT = Rules(subscriptions.RECORD_PAYMENT, reason=MALFORMED)
PERSON = Rules(subscriptions.PERSON_REQUEST)


class SubscriptionDeskService(rpc.SubscriptionDeskServiceServicer):
    """The RPCs of staff; their contracts are in protos/subscriptions.proto."""

    def __init__(self, database: Database, now: Callable[[], datetime] = utc_now) -> None:
        self.database = database
        self.now = now

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
