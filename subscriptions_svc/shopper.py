"""What the shopper's page is answered: a cart by the code of its link, and its confirmation."""

import re
from collections.abc import Callable, Collection, Iterable
from datetime import datetime
from typing import Any

import grpc
from sqlalchemy import Connection

from chassis.context import Account
from chassis.errors import NotFound
from chassis.store.database import Database
from chassis.validation import refuse
from protos import subscriptions_pb2 as pb
from protos import subscriptions_pb2_grpc as rpc
from subscriptions_svc import changes, moves, proposals, rules, store
from subscriptions_svc.cart_documents import money, pending_items
from subscriptions_svc.found import of_one_state
from subscriptions_svc.rules_cart import CONTACT_LENS
from subscriptions_svc.views import View, views
from subscriptions_svc.years import local_day

SERVICE = pb.DESCRIPTOR.services_by_name["ShopperService"]
OPEN_RPCS = frozenset(f"/{SERVICE.full_name}/{method.name}" for method in SERVICE.methods)
CODE = re.compile(r"[A-Za-z0-9_-]{1,32}")
NOBODY = Account(0, "", "")
UNOPENED = (rules.Status.DRAFT, rules.Status.SENT)


class ShopperService(rpc.ShopperServiceServicer):
    """What a shopper may do who has nothing but a link."""

    def __init__(self, database: Database, now: Callable[[], datetime]) -> None:
        self.database = database
        self.now = now

    def GetCartByCode(
        self, request: pb.GetCartByCodeRequest, context: grpc.ServicerContext
    ) -> pb.ShopperCart:
        now = self.now()
        view = of_one_state(self.database, lambda tx: by_code(tx, request.code, now))
        if view.status in UNOPENED:
            with self.database.write() as tx:
                moves.forward(tx, view.row.id, rules.Status.IN_PROGRESS)
        return shown(view, request.code)

    def ConfirmCartByCode(
        self, request: pb.ConfirmCartByCodeRequest, context: grpc.ServicerContext
    ) -> pb.ShopperCart:
        with self.database.write() as tx:
            view = by_code(tx, request.code, self.now(), lock=True)
            if not request.terms_accepted:
                refuse([("terms_accepted", "Must be true.")])
            if state(view, request.code) in ("open", "change"):
                changes.confirm(tx, view.row, view.now, code=request.code)
            return shown(by_code(tx, request.code, view.now), request.code)


def by_code(tx: Connection, code: str, now: datetime, *, lock: bool = False) -> View:
    """The subscription of which a cart, in force or pending, has this code; raises NotFound."""
    found = proposals.subscription_by_code(tx, code) if CODE.fullmatch(code) else None
    row = store.subscription(tx, NOBODY, found, lock=lock) if found else None
    if row is None or code not in (row.cart_code, row.pending_code):
        raise NotFound("There is no such cart, or another one has taken its place.")
    return views(tx, [row], now)[0]


def state(view: View, code: str) -> str:
    """How the cart with this code stands, in a word: see ShopperCart."""
    if view.status not in rules.LIVE:
        return "ended"
    if code == view.row.pending_code:
        return "change"
    if view.status is rules.Status.WAITING_FOR_PAYMENT:
        return "waiting_for_payment"
    return "open" if view.status in rules.UNCONFIRMED else "confirmed"


def shown(view: View, code: str) -> pb.ShopperCart:
    """The cart with this code, as the shopper is shown it."""
    row, word = view.row, state(view, code)
    cart = pb.ShopperCart(
        state=word,
        shop=row.shop,
        locale=row.locale,
        terms_url=row.terms_url,
        given_names=row.given_names,
        total_months=row.total_months,
        confirmed_on=day(view, row.confirmed_at),
        contract_number=row.contract_number,
        ends_on=day(view, row.renewal_at),
    )
    if word == "change":
        after = list(pending_items(view))
        cart.items.extend(items(row, after, view.by_id))
        cart.items_before.extend(items(row, view.items, {each.id for each in after}))
        cart.monthly_before.CopyFrom(monthly(row, view.items))
        cart.monthly.CopyFrom(monthly(row, after))
    else:
        cart.items.extend(items(row, view.items, view.by_id))
        cart.monthly.CopyFrom(monthly(row, view.items))
    return cart


def day(view: View, instant: datetime | None) -> str | None:
    """The day of an instant in the merchant's time zone."""
    return None if instant is None else local_day(instant, view.tz).isoformat()


def items(merchant: Any, rows: Iterable[Any], stay: Collection[str]) -> list[pb.ShopperItem]:
    """Items in their order, those of a package inside it; those that do not stay are marked."""
    outer: list[pb.ShopperItem] = []
    made: dict[str, pb.ShopperItem] = {}
    for row in rows:
        item = pb.ShopperItem(
            name=row.name,
            quantity=row.quantity,
            changes=row.id not in stay,
            **money(merchant, {"monthly": row.subscription_price * row.quantity}),
        )
        if row.type == CONTACT_LENS:
            item.eye, item.boxes_a_year = row.eye, row.box_count
        if row.parent_id in made:
            made[row.parent_id].items.append(item)
            made[row.id] = made[row.parent_id].items[-1]
        else:
            outer.append(item)
            made[row.id] = item
    return outer


def monthly(merchant: Any, rows: Iterable[Any]) -> pb.Money:
    """What a cart costs a month: its own items, for a package is the sum over what is inside."""
    total = sum(row.subscription_price * row.quantity for row in rows if row.parent_id is None)
    made: pb.Money = money(merchant, {"total": total})["total"]
    return made
