"""SubscriptionService: what shops call."""

from collections.abc import Callable
from datetime import datetime
from typing import TypeVar

import grpc
from google.protobuf.message import Message
from sqlalchemy import Connection

from chassis.context import get_caller, get_current_call, note_ids
from chassis.messages.reader import MALFORMED
from chassis.pages import build_page_meta
from chassis.store.database import Database
from chassis.validation import Rules, refuse
from protos import subscriptions_pb2 as pb
from protos import subscriptions_pb2_grpc as rpc
from subscriptions_svc.actions.activate_cart_item import activate_cart_item
from subscriptions_svc.actions.cancel_subscription import cancel_subscription
from subscriptions_svc.actions.changing.change_graduation import change_graduation
from subscriptions_svc.actions.changing.extend_period import extend_period
from subscriptions_svc.actions.changing.reset_sms_count import reset_sms_count
from subscriptions_svc.actions.changing.update_customer_info import update_customer_info
from subscriptions_svc.actions.create_box_deliveries import create_box_deliveries
from subscriptions_svc.actions.create_subscription import (
    create_subscription,
    find_solicitation_faults,
)
from subscriptions_svc.actions.create_warranty_event import create_warranty_event
from subscriptions_svc.actions.lenses.record_box_outcome import record_box_outcome
from subscriptions_svc.actions.send_email import send_email
from subscriptions_svc.actions.send_sms import send_sms
from subscriptions_svc.actions.update_products import update_products
from subscriptions_svc.documents.accounts import build_who_am_i
from subscriptions_svc.documents.box_deliveries import build_delivery
from subscriptions_svc.documents.estimates import estimate_pre_approval, simulate_price
from subscriptions_svc.documents.fhir import build_cart_items
from subscriptions_svc.documents.subscriptions import (
    build_subscription,
)
from subscriptions_svc.rules import changes, subscriptions, warranty_events
from subscriptions_svc.rules.fhir import READ_CART_ITEMS
from subscriptions_svc.rules.prescriptions import outcomes
from subscriptions_svc.rules.settling import estimates, settlements
from subscriptions_svc.store import box_deliveries
from subscriptions_svc.store.lists import listing
from subscriptions_svc.store.merchants import group_store_refs, list_merchants
from subscriptions_svc.store.subscriptions import find_own_subscription
from subscriptions_svc.store.tables import idempotency_keys
from subscriptions_svc.store.views import read_own_view, read_snapshot, read_views

M = TypeVar("M", bound=Message)
CREATE_SUBSCRIPTION = Rules(subscriptions.CREATE_SUBSCRIPTION, reason=MALFORMED, raw=("discounts",))
LIST_SUBSCRIPTIONS = Rules(
    subscriptions.LIST_SUBSCRIPTIONS, reason=MALFORMED, paragraphs=("search",)
)
CREATE_BOX_DELIVERIES = Rules(subscriptions.CREATE_BOX_DELIVERIES, reason=MALFORMED)
LIST_DELIVERIES = Rules(subscriptions.LIST_DELIVERIES, reason=MALFORMED)
UPDATE_PRODUCTS = Rules(changes.UPDATE_PRODUCTS, reason=MALFORMED)
CANCEL_SUBSCRIPTION = Rules(settlements.CANCEL_SUBSCRIPTION, reason=MALFORMED)
RECORD_BOX_OUTCOME = Rules(outcomes.RECORD_BOX_OUTCOME, reason=MALFORMED)
CREATE_WARRANTY_EVENT = Rules(warranty_events.CREATE_WARRANTY_EVENT, paragraphs=("description",))
UPDATE_CUSTOMER_INFO = Rules(subscriptions.UPDATE_CUSTOMER_INFO, reason=MALFORMED)
CHANGE_GRADUATION = Rules(subscriptions.CHANGE_GRADUATION, reason=MALFORMED)
EXTEND_PERIOD = Rules(subscriptions.EXTEND_PERIOD, reason=MALFORMED)
CREATE_PRE_APPROVAL = Rules(estimates.CREATE_PRE_APPROVAL, reason=MALFORMED)
CREATE_PRICE_SIMULATION = Rules(
    estimates.CREATE_PRICE_SIMULATION, reason=MALFORMED, raw=("discounts",)
)

CART_ITEMS = Rules(READ_CART_ITEMS, raw=("document",))


class SubscriptionService(rpc.SubscriptionServiceServicer):
    """The RPCs of shops; their contracts are in protos/subscriptions.proto."""

    def __init__(self, database: Database, now: Callable[[], datetime], public_url: str) -> None:
        self.database = database
        self.now = now
        self.public_url = public_url

    def CreateSubscription(
        self, request: pb.CreateSubscriptionRequest, context: grpc.ServicerContext
    ) -> pb.Subscription:
        values, now = CREATE_SUBSCRIPTION.check(request), self.now()
        with self.database.read() as tx:
            refuse(find_solicitation_faults(tx, values, now))
        with self.database.write() as tx:
            return idempotency_keys.save(tx, create_subscription(tx, values, now))

    def ListSubscriptions(
        self, request: pb.ListSubscriptionsRequest, context: grpc.ServicerContext
    ) -> pb.ListSubscriptionsResponse:
        filters, now = LIST_SUBSCRIPTIONS.check(request), self.now()

        def read(tx: Connection) -> pb.ListSubscriptionsResponse:
            rows, total = listing.read_page(tx, list_merchants(tx, get_caller()), filters, now)
            note_ids(*(row.id for row in rows))
            data = map(build_subscription, read_views(tx, rows, now))
            meta = build_page_meta(filters["page"], filters["per_page"], total)
            return pb.ListSubscriptionsResponse(meta=pb.PageMeta(**meta), data=data)

        return read_snapshot(self.database, read)

    def GetSubscription(
        self, request: pb.GetSubscriptionRequest, context: grpc.ServicerContext
    ) -> pb.Subscription:
        with self.database.read(single=True) as tx:
            view = read_own_view(tx, request.subscription_id, self.now())
        return build_subscription(view)

    def CreateBoxDeliveries(
        self, request: pb.CreateBoxDeliveriesRequest, context: grpc.ServicerContext
    ) -> pb.CreateBoxDeliveriesResponse:
        values, faults = CREATE_BOX_DELIVERIES.examine(request)
        with self.database.write() as tx:
            subscription = find_own_subscription(tx, request.subscription_id, lock=True)
            refuse(faults, reason=MALFORMED)
            answer = create_box_deliveries(tx, subscription, values, self.now())
            return idempotency_keys.save(tx, answer)

    def ActivateCartItem(
        self, request: pb.ActivateCartItemRequest, context: grpc.ServicerContext
    ) -> pb.CartItem:
        with self.database.write() as tx:
            subscription = find_own_subscription(tx, request.subscription_id, lock=True)
            item = activate_cart_item(tx, subscription, request.reference_uuid, self.now())
            return idempotency_keys.save(tx, item)

    def UpdateProducts(
        self, request: pb.UpdateProductsRequest, context: grpc.ServicerContext
    ) -> pb.UpdateProductsResponse:
        values, faults = UPDATE_PRODUCTS.examine(request)
        with self.database.write() as tx:
            subscription = find_own_subscription(tx, request.subscription_id, lock=True)
            refuse(faults, reason=MALFORMED)
            return idempotency_keys.save(tx, update_products(tx, subscription, values, self.now()))

    def CancelSubscription(
        self, request: pb.CancelSubscriptionRequest, context: grpc.ServicerContext
    ) -> pb.CancelSubscriptionResponse:
        values, faults = CANCEL_SUBSCRIPTION.examine(request)
        with self.database.write() as tx:
            subscription = find_own_subscription(tx, request.subscription_id, lock=True)
            refuse(faults, reason=MALFORMED)
            return idempotency_keys.save(
                tx, cancel_subscription(tx, subscription, values, self.now())
            )

    def CreateWarrantyEvent(
        self, request: pb.CreateWarrantyEventRequest, context: grpc.ServicerContext
    ) -> pb.CreateWarrantyEventResponse:
        values, faults = CREATE_WARRANTY_EVENT.examine(request)
        with self.database.write() as tx:
            subscription = find_own_subscription(tx, request.subscription_id, lock=True)
            answer = create_warranty_event(tx, subscription, values, faults, self.now())
            return idempotency_keys.save(tx, answer)

    def UpdateCustomerInfo(
        self, request: pb.UpdateCustomerInfoRequest, context: grpc.ServicerContext
    ) -> pb.Subscription:
        values, faults = UPDATE_CUSTOMER_INFO.examine(request)
        with self.database.write() as tx:
            subscription = find_own_subscription(tx, request.subscription_id, lock=True)
            refuse(faults, reason=MALFORMED)
            answer = update_customer_info(tx, subscription, values, self.now())
            return idempotency_keys.save(tx, answer)

    def ChangeGraduation(
        self, request: pb.ChangeGraduationRequest, context: grpc.ServicerContext
    ) -> pb.CartItem:
        values, faults = CHANGE_GRADUATION.examine(request)
        with self.database.write() as tx:
            subscription = find_own_subscription(tx, request.subscription_id, lock=True)
            refuse(faults, reason=MALFORMED)
            answer = change_graduation(tx, subscription, values, self.now())
            return idempotency_keys.save(tx, answer)

    def ResetSmsCount(
        self, request: pb.ResetSmsCountRequest, context: grpc.ServicerContext
    ) -> pb.Subscription:
        with self.database.write() as tx:
            subscription = find_own_subscription(tx, request.subscription_id, lock=True)
            return idempotency_keys.save(tx, reset_sms_count(tx, subscription, self.now()))

    def ExtendPeriod(
        self, request: pb.ExtendPeriodRequest, context: grpc.ServicerContext
    ) -> pb.Subscription:
        values, faults = EXTEND_PERIOD.examine(request)
        with self.database.write() as tx:
            subscription = find_own_subscription(tx, request.subscription_id, lock=True)
            refuse(faults, reason=MALFORMED)
            answer = extend_period(tx, subscription, values["months"], self.now())
            return idempotency_keys.save(tx, answer)

    def CreatePreApproval(
        self, request: pb.CreatePreApprovalRequest, context: grpc.ServicerContext
    ) -> pb.PreApproval:
        values = CREATE_PRE_APPROVAL.check(request)
        with self.database.read() as tx:
            answer = estimate_pre_approval(tx, values, self.now())
        return self._keep_answer(answer)

    def CreatePriceSimulation(
        self, request: pb.CreatePriceSimulationRequest, context: grpc.ServicerContext
    ) -> pb.PriceSimulation:
        values = CREATE_PRICE_SIMULATION.check(request)
        with self.database.read() as tx:
            answer = simulate_price(tx, values)
        return self._keep_answer(answer)

    def ListDeliveries(
        self, request: pb.ListDeliveriesRequest, context: grpc.ServicerContext
    ) -> pb.ListDeliveriesResponse:
        values, faults = LIST_DELIVERIES.examine(request)
        with self.database.read() as tx:
            subscription = find_own_subscription(tx, request.subscription_id)
            refuse(faults, reason=MALFORMED)
            page, per_page = values["page"], values["per_page"]
            rows, total = box_deliveries.read_page(tx, subscription.id, page, per_page)
        meta = pb.PageMeta(**build_page_meta(page, per_page, total))
        return pb.ListDeliveriesResponse(meta=meta, data=map(build_delivery, rows))

    def RecordBoxOutcome(
        self, request: pb.RecordBoxOutcomeRequest, context: grpc.ServicerContext
    ) -> pb.Delivery:
        values, faults = RECORD_BOX_OUTCOME.examine(request)
        with self.database.write() as tx:
            subscription = find_own_subscription(tx, request.subscription_id, lock=True)
            refuse(faults, reason=MALFORMED)
            answer = record_box_outcome(tx, subscription, values, self.now())
            return idempotency_keys.save(tx, answer)

    def SendEmail(
        self, request: pb.SendEmailRequest, context: grpc.ServicerContext
    ) -> pb.SendEmailResponse:
        with self.database.write() as tx:
            answer = send_email(tx, request.subscription_id, self.public_url, self.now())
            return idempotency_keys.save(tx, answer)

    def SendSms(
        self, request: pb.SendSmsRequest, context: grpc.ServicerContext
    ) -> pb.SendSmsResponse:
        with self.database.write() as tx:
            answer = send_sms(tx, request.subscription_id, self.public_url, self.now())
            return idempotency_keys.save(tx, answer)

    def ReadCartItems(
        self, request: pb.ReadCartItemsRequest, context: grpc.ServicerContext
    ) -> pb.ReadCartItemsResponse:
        return self._keep_answer(build_cart_items(**CART_ITEMS.check(request)))

    def WhoAmI(self, request: pb.WhoAmIRequest, context: grpc.ServicerContext) -> pb.WhoAmIResponse:
        account = get_caller()
        with self.database.read() as tx:
            merchants = list_merchants(tx, account)
            return build_who_am_i(account, merchants, group_store_refs(tx, account))

    def _keep_answer(self, answer: M) -> M:
        """Keep the answer to a POST without effect for its idempotency key, if it has one."""
        if not get_current_call().idempotency_key:
            return answer
        with self.database.write() as tx:
            return idempotency_keys.save(tx, answer)
