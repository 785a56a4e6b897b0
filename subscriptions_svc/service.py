"""What shops are answered: one short method per RPC. What staff is answered is in `desk`."""

from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from typing import Any, TypeVar
from zoneinfo import ZoneInfo

import grpc
from google.protobuf.message import Message
from sqlalchemy import Connection

from chassis.context import caller, current_call, utc_now
from chassis.errors import AlreadyExists, NotFound
from chassis.messages.reader import MALFORMED
from chassis.server.server import RunningServer, start_server
from chassis.store.database import Database
from chassis.store.reference_cache import ReferenceCache
from chassis.validation import Rules, refuse
from protos import subscriptions_pb2 as pb
from protos import subscriptions_pb2_grpc as rpc
from subscriptions_svc import (
    carts,
    changes,
    documents,
    endings,
    estimates,
    ledger,
    listing,
    merchants,
    messages_links,
    phrases,
    rules,
    rules_cart,
    rules_changes,
    rules_ending,
    shopper,
    solicitations,
    store,
    warranty,
)
from subscriptions_svc.deliveries import deliver
from subscriptions_svc.desk import SubscriptionDeskService
from subscriptions_svc.found import document, ensure_confirmed, of_one_state, own
from subscriptions_svc.messages_ends import EMAIL, SMS
from subscriptions_svc.shopper import ShopperService
from subscriptions_svc.years import local_day

M = TypeVar("M", bound=Message)
CREATE_SUBSCRIPTION = Rules(rules.CREATE_SUBSCRIPTION, reason=MALFORMED, raw=("discounts",))
LIST_SUBSCRIPTIONS = Rules(rules.LIST_SUBSCRIPTIONS, reason=MALFORMED)
CREATE_BOX_DELIVERIES = Rules(rules.CREATE_BOX_DELIVERIES, reason=MALFORMED)
LIST_DELIVERIES = Rules(rules.LIST_DELIVERIES, reason=MALFORMED)
UPDATE_PRODUCTS = Rules(rules_changes.UPDATE_PRODUCTS, reason=MALFORMED)
CANCEL_SUBSCRIPTION = Rules(rules_ending.CANCEL_SUBSCRIPTION, reason=MALFORMED)
CREATE_WARRANTY_EVENT = Rules(rules_ending.CREATE_WARRANTY_EVENT)
CREATE_PRE_APPROVAL = Rules(rules.CREATE_PRE_APPROVAL, reason=MALFORMED)
CREATE_PRICE_SIMULATION = Rules(rules.CREATE_PRICE_SIMULATION, reason=MALFORMED)


class SubscriptionService(rpc.SubscriptionServiceServicer):
    """What shops call."""

    def __init__(self, database: Database, now: Callable[[], datetime], public_url: str) -> None:
        self.database = database
        self.now = now
        self.public_url = public_url

    def CreateSubscription(
        self, request: pb.CreateSubscriptionRequest, context: grpc.ServicerContext
    ) -> pb.Subscription:
        values, now = CREATE_SUBSCRIPTION.check(request), self.now()
        with self.database.read() as tx:
            refuse(meaning_faults(tx, values, now))
        with self.database.write() as tx:
            created = solicitations.add_subscription(tx, values, now)
            if created is None:
                raise AlreadyExists("A live subscription of this merchant has this reference.")
            carts.add_items(tx, created, values["cart_items"])
            answer = document(tx, created, now)
            solicitations.count(tx, values["merchant"])
            return store.idempotency_keys.save(tx, answer)

    def ListSubscriptions(
        self, request: pb.ListSubscriptionsRequest, context: grpc.ServicerContext
    ) -> pb.ListSubscriptionsResponse:
        filters, now = LIST_SUBSCRIPTIONS.check(request), self.now()

        def read(tx: Connection) -> pb.ListSubscriptionsResponse:
            rows, total = listing.page(tx, merchants.of(tx, caller()), filters, now)
            data = documents.subscriptions(tx, rows, now)
            return pb.ListSubscriptionsResponse(meta=page_meta(filters, total), data=data)

        return of_one_state(self.database, read)

    def GetSubscription(
        self, request: pb.GetSubscriptionRequest, context: grpc.ServicerContext
    ) -> pb.Subscription:
        now = self.now()

        def read(tx: Connection) -> pb.Subscription:
            return documents.subscriptions(tx, [own(tx, request.subscription_id)], now)[0]

        return of_one_state(self.database, read)

    def CreateBoxDeliveries(
        self, request: pb.CreateBoxDeliveriesRequest, context: grpc.ServicerContext
    ) -> pb.CreateBoxDeliveriesResponse:
        values, faults = CREATE_BOX_DELIVERIES.examine(request)
        with self.database.write() as tx:
            subscription, now = own(tx, request.subscription_id, lock=True), self.now()
            refuse(faults, reason=MALFORMED)
            ensure_confirmed(subscription, now)
            return store.idempotency_keys.save(
                tx, deliver(tx, subscription, values["deliveries"], now)
            )

    def ActivateCartItem(
        self, request: pb.ActivateCartItemRequest, context: grpc.ServicerContext
    ) -> pb.CartItem:
        with self.database.write() as tx:
            subscription, now = own(tx, request.subscription_id, lock=True), self.now()
            item = carts.item(tx, subscription.id, request.reference_uuid)
            if item is None:
                raise NotFound("The subscription has no such item.")
            ensure_confirmed(subscription, now)
            carts.activate(tx, subscription, item, now)
            subscription = own(tx, subscription.id)
            return store.idempotency_keys.save(
                tx, documents.cart_item(tx, subscription, item.id, now)
            )

    def UpdateProducts(
        self, request: pb.UpdateProductsRequest, context: grpc.ServicerContext
    ) -> pb.UpdateProductsResponse:
        values, faults = UPDATE_PRODUCTS.examine(request)
        with self.database.write() as tx:
            subscription, now = own(tx, request.subscription_id, lock=True), self.now()
            refuse(faults, reason=MALFORMED)
            changes.propose(tx, subscription, values["cart_items"], now)
            message = phrases.updated(subscription.locale)
            answer = pb.UpdateProductsResponse(success=True, message=message)
            return store.idempotency_keys.save(tx, answer)

    def CancelSubscription(
        self, request: pb.CancelSubscriptionRequest, context: grpc.ServicerContext
    ) -> pb.CancelSubscriptionResponse:
        values, faults = CANCEL_SUBSCRIPTION.examine(request)
        with self.database.write() as tx:
            subscription, now = own(tx, request.subscription_id, lock=True), self.now()
            refuse(faults, reason=MALFORMED)
            endings.cancel(tx, subscription, values, now)
            message = phrases.cancelled(subscription.locale)
            answer = pb.CancelSubscriptionResponse(success=True, message=message)
            return store.idempotency_keys.save(tx, answer)

    def CreateWarrantyEvent(
        self, request: pb.CreateWarrantyEventRequest, context: grpc.ServicerContext
    ) -> pb.CreateWarrantyEventResponse:
        values, faults = CREATE_WARRANTY_EVENT.examine(request)
        with self.database.write() as tx:
            subscription, now = own(tx, request.subscription_id, lock=True), self.now()
            warranty.register(tx, subscription, values, faults, now)
            message = phrases.warranty_event_created(subscription.locale)
            answer = pb.CreateWarrantyEventResponse(success=True, message=message)
            return store.idempotency_keys.save(tx, answer)

    def CreatePreApproval(
        self, request: pb.CreatePreApprovalRequest, context: grpc.ServicerContext
    ) -> pb.PreApproval:
        values, now = CREATE_PRE_APPROVAL.check(request), self.now()
        with self.database.read() as tx:
            answer = estimates.pre_approval(tx, values, now)
        return self.kept(answer)

    def CreatePriceSimulation(
        self, request: pb.CreatePriceSimulationRequest, context: grpc.ServicerContext
    ) -> pb.PriceSimulation:
        values = CREATE_PRICE_SIMULATION.check(request)
        with self.database.read() as tx:
            answer = estimates.price_simulation(tx, values)
        return self.kept(answer)

    def ListDeliveries(
        self, request: pb.ListDeliveriesRequest, context: grpc.ServicerContext
    ) -> pb.ListDeliveriesResponse:
        values, faults = LIST_DELIVERIES.examine(request)
        with self.database.read() as tx:
            subscription = own(tx, request.subscription_id)
            refuse(faults, reason=MALFORMED)
            rows, total = ledger.page(tx, subscription.id, values["page"], values["per_page"])
        meta = page_meta(values, total)
        return pb.ListDeliveriesResponse(meta=meta, data=map(ledger.entry, rows))

    def SendEmail(
        self, request: pb.SendEmailRequest, context: grpc.ServicerContext
    ) -> pb.SendEmailResponse:
        with self.database.write() as tx:
            message = messages_links.send(
                tx, request.subscription_id, EMAIL, self.public_url, self.now()
            )
            return store.idempotency_keys.save(tx, pb.SendEmailResponse(message=message))

    def SendSms(
        self, request: pb.SendSmsRequest, context: grpc.ServicerContext
    ) -> pb.SendSmsResponse:
        with self.database.write() as tx:
            message = messages_links.send(
                tx, request.subscription_id, SMS, self.public_url, self.now()
            )
            return store.idempotency_keys.save(tx, pb.SendSmsResponse(message=message))

    def kept(self, answer: M) -> M:
        """The answer to a POST that changes nothing, kept for its idempotency key if it has one."""
        if not current_call().idempotency_key:
            return answer
        with self.database.write() as tx:
            return store.idempotency_keys.save(tx, answer)


def meaning_faults(
    tx: Connection, values: Mapping[str, Any], now: datetime
) -> Iterator[tuple[str, str]]:
    """What a well-formed solicitation gets wrong; raises Unauthenticated for the merchant."""
    merchant = merchants.own(tx, values["merchant"]["id"])
    yield from rules.store_faults(values, merchants.store_refs(tx, merchant.id))
    yield from rules.shopper_faults(values, local_day(now, ZoneInfo(merchant.time_zone)))
    yield from rules.identity_faults(values, merchant.country)
    yield from rules_cart.price_faults(values)
    yield from rules_cart.eye_faults(values)


def page_meta(values: Mapping[str, Any], total: int) -> pb.PageMeta:
    """Where a page stands."""
    page, per_page = values["page"], values["per_page"]
    pages = -(-total // per_page)
    return pb.PageMeta(page=page, per_page=per_page, total_count=total, total_pages=pages)


def serve(
    database: Database,
    listen: str,
    public_url: str,
    now: Callable[[], datetime] = utc_now,
) -> RunningServer:
    """Start the subscriptions service."""
    of = pb.DESCRIPTOR.services_by_name
    return start_server(
        [
            (
                SubscriptionService(database, now, public_url),
                rpc.add_SubscriptionServiceServicer_to_server,
                of["SubscriptionService"],
            ),
            (
                SubscriptionDeskService(database, now),
                rpc.add_SubscriptionDeskServiceServicer_to_server,
                of["SubscriptionDeskService"],
            ),
            (
                ShopperService(database, now),
                rpc.add_ShopperServiceServicer_to_server,
                of["ShopperService"],
            ),
        ],
        database=database,
        idempotency_keys=store.idempotency_keys,
        authenticate=store.accounts.basic_authenticator(ReferenceCache(database, store.changes)),
        open_rpcs=shopper.OPEN_RPCS,
        listen=listen,
    )
