"""What is answered: one short method per RPC."""

from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import grpc
from sqlalchemy import Connection, Row

from chassis.calls import caller, current, utc_now
from chassis.database import Database
from chassis.errors import AlreadyExists, Invalid, NotFound, Unauthenticated, WrongState
from chassis.memory import Memory
from chassis.messages import MALFORMED
from chassis.server import Running, start
from chassis.validation import Rules, refuse
from protos import subscriptions_pb2 as pb
from protos import subscriptions_pb2_grpc as rpc
from subscriptions_svc import boxes, carts, documents, listing, rules, store
from subscriptions_svc.years import local_day

CREATE_SUBSCRIPTION = Rules(rules.CREATE_SUBSCRIPTION, reason=MALFORMED, raw=("discounts",))
LIST_SUBSCRIPTIONS = Rules(rules.LIST_SUBSCRIPTIONS, reason=MALFORMED)
CREATE_BOX_DELIVERIES = Rules(rules.CREATE_BOX_DELIVERIES, reason=MALFORMED)


class SubscriptionService(rpc.SubscriptionServiceServicer):
    """What shops call."""

    def __init__(self, database: Database, now: Callable[[], datetime] = utc_now) -> None:
        self.database = database
        self.now = now

    def CreateSubscription(
        self, request: pb.CreateSubscriptionRequest, context: grpc.ServicerContext
    ) -> pb.Subscription:
        values, now = CREATE_SUBSCRIPTION.check(request), self.now()
        with self.database.read() as tx:
            refuse(meaning_faults(tx, values, now))
        with self.database.write() as tx:
            created = store.add_subscription(tx, values, now)
            if created is None:
                raise AlreadyExists("A live subscription of this merchant has this reference.")
            carts.add_items(tx, created, values["cart_items"])
            return store.answers.keep(tx, document(tx, created, now))

    def ListSubscriptions(
        self, request: pb.ListSubscriptionsRequest, context: grpc.ServicerContext
    ) -> pb.ListSubscriptionsResponse:
        filters, now = LIST_SUBSCRIPTIONS.check(request), self.now()
        with self.database.read() as tx:
            rows, total = listing.page(tx, store.merchants_of(tx, caller()), filters, now)
            found = documents.subscriptions(tx, rows, now)
        page, per_page = filters["page"], filters["per_page"]
        pages = -(-total // per_page)
        meta = pb.PageMeta(page=page, per_page=per_page, total_count=total, total_pages=pages)
        return pb.ListSubscriptionsResponse(meta=meta, data=found)

    def GetSubscription(
        self, request: pb.GetSubscriptionRequest, context: grpc.ServicerContext
    ) -> pb.Subscription:
        now = self.now()
        with self.database.read() as tx:
            subscription = own(tx, request.subscription_id, now)
            return documents.subscriptions(tx, [subscription], now)[0]

    def CreateBoxDeliveries(
        self, request: pb.CreateBoxDeliveriesRequest, context: grpc.ServicerContext
    ) -> pb.CreateBoxDeliveriesResponse:
        (values, faults), now = CREATE_BOX_DELIVERIES.examine(request), self.now()
        with self.database.write() as tx:
            subscription = own(tx, request.subscription_id, now, lock=True)
            refuse(faults, reason=MALFORMED)
            ensure_confirmed(subscription)
            return store.answers.keep(tx, deliver(tx, subscription, values["deliveries"], now))

    def ActivateCartItem(
        self, request: pb.ActivateCartItemRequest, context: grpc.ServicerContext
    ) -> pb.CartItem:
        now = self.now()
        with self.database.write() as tx:
            subscription = own(tx, request.subscription_id, now, lock=True)
            item = carts.item(tx, subscription.id, request.reference_uuid)
            if item is None:
                raise NotFound("The subscription has no such item.")
            ensure_confirmed(subscription)
            carts.activate(tx, subscription, item, now)
            subscription = own(tx, subscription.id, now)
            return store.answers.keep(tx, documents.cart_item(tx, subscription, item.id, now))


class SubscriptionDeskService(rpc.SubscriptionDeskServiceServicer):
    """What the operator's own staff and systems call, whoever the merchant."""

    def __init__(self, database: Database, now: Callable[[], datetime] = utc_now) -> None:
        self.database = database
        self.now = now

    def ConfirmSubscription(
        self, request: pb.ConfirmSubscriptionRequest, context: grpc.ServicerContext
    ) -> pb.Subscription:
        now = self.now()
        with self.database.write() as tx:
            subscription = any_merchants(tx, request.subscription_id, now, lock=True)
            if rules.Status(subscription.status) not in rules.LIVE:
                raise WrongState("The subscription has ended.")
            store.confirm(tx, subscription.id, now)
            return store.answers.keep(tx, document(tx, subscription.id, now))


def any_merchants(
    tx: Connection, subscription_id: str, now: datetime, *, lock: bool = False
) -> Row[Any]:
    """A subscription, whoever the merchant; raises NotFound."""
    found = store.subscription(tx, caller(), subscription_id, now, lock=lock)
    if found is None:
        raise NotFound("There is no such subscription.")
    return found


def own(tx: Connection, subscription_id: str, now: datetime, *, lock: bool = False) -> Row[Any]:
    """A subscription of the caller's merchants; raises NotFound, or Unauthenticated."""
    found = any_merchants(tx, subscription_id, now, lock=lock)
    if not found.is_own:
        raise Unauthenticated("Your account does not reference the subscription's merchant.")
    return found


def document(tx: Connection, subscription_id: str, now: datetime) -> pb.Subscription:
    """A subscription as it stands now."""
    return documents.subscriptions(tx, [any_merchants(tx, subscription_id, now)], now)[0]


def ensure_confirmed(subscription: Row[Any]) -> None:
    """Raise WrongState before the confirmation and after the end."""
    status = rules.Status(subscription.status)
    if status in rules.UNCONFIRMED:
        raise WrongState("The shopper has not confirmed the cart.")
    if status not in rules.CONFIRMED:
        raise WrongState("The subscription has ended.")


def meaning_faults(
    tx: Connection, values: Mapping[str, Any], now: datetime
) -> Iterator[tuple[str, str]]:
    """What a well-formed solicitation gets wrong; raises Unauthenticated for the merchant."""
    merchant = store.merchant(tx, caller(), values["merchant"]["id"])
    if merchant is None:
        raise Unauthenticated("Your account does not reference this merchant.")
    yield from rules.store_faults(values, store.store_refs(tx, merchant.id))
    yield from rules.shopper_faults(values, local_day(now, ZoneInfo(merchant.time_zone)))
    yield from rules.identity_faults(values, merchant.country)
    yield from rules.price_faults(values)
    yield from rules.eye_faults(values)


def deliver(
    tx: Connection, subscription: Row[Any], entries: list[dict[str, Any]], now: datetime
) -> pb.CreateBoxDeliveriesResponse:
    """Hand over boxes, all or nothing; raises Invalid, over-delivery only when nothing else is."""
    wanted: dict[str, int] = {}
    for entry in entries:
        uuid = entry["cart_item_reference_uuid"]
        wanted[uuid] = wanted.get(uuid, 0) + entry["quantity"]
    lenses = carts.lenses(tx, subscription.id, wanted)
    refuse(
        (f"deliveries.{index}.cart_item_reference_uuid", "Must be of a contact lens of the cart.")
        for index, entry in enumerate(entries)
        if entry["cart_item_reference_uuid"] not in lenses
    )
    year, call = documents.year(subscription, now), current()
    delivery = boxes.Delivery(subscription.id, year, caller().id, call.request_id, now)
    delivered, without_room = boxes.deliver(
        tx, [(lenses[uuid], quantity) for uuid, quantity in wanted.items()], delivery
    )
    if without_room:
        tallies = boxes.tallies(tx, {subscription.id: year})
        raise over_delivery(without_room, tallies)
    items = [
        documents.delivered_item(subscription, lenses[uuid], delivered[lenses[uuid].id])
        for uuid in wanted
    ]
    return pb.CreateBoxDeliveriesResponse(deliveries=items)


def over_delivery(items: list[Row[Any]], tallies: Mapping[str, boxes.Tally]) -> Invalid:
    """The refusal that tells of each item how many boxes are left."""
    over = pb.OverDelivery()
    for item in items:
        left = item.box_count - tallies.get(item.id, boxes.Tally()).delivered
        over.items.add(cart_item_reference_uuid=item.reference_uuid, remaining_boxes=left)
    return Invalid(
        "More boxes than remain in this subscription year.", reason="OVER_DELIVERY", detail=over
    )


def serve(
    database: Database,
    listen: str,
    public_url: str,
    now: Callable[[], datetime] = utc_now,
) -> Running:
    """Start the subscriptions service."""
    of = pb.DESCRIPTOR.services_by_name
    return start(
        [
            (
                SubscriptionService(database, now),
                rpc.add_SubscriptionServiceServicer_to_server,
                of["SubscriptionService"],
            ),
            (
                SubscriptionDeskService(database, now),
                rpc.add_SubscriptionDeskServiceServicer_to_server,
                of["SubscriptionDeskService"],
            ),
        ],
        database=database,
        answers=store.answers,
        authenticate=store.accounts.basic(Memory(database, store.changes)),
        listen=listen,
    )
