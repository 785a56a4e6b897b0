"""What is answered: one short method per RPC, and row to message."""

from collections.abc import Callable, Iterable
from datetime import datetime, timedelta
from typing import Any

import grpc
from sqlalchemy import Connection, Row

from chassis.context import Account, Call, caller, current_call, utc_now
from chassis.errors import Fault, Forbidden, Invalid, NotFound, Unauthenticated, WrongState
from chassis.server.accounts import CLIENT, Authenticate, hash_secret, require_role
from chassis.server.idempotency import derive_secret
from chassis.server.server import RunningServer, start_server
from chassis.store.database import Database
from chassis.store.reference_cache import ReferenceCache
from chassis.validation import Rules, refuse
from orders_svc import documents, events, listing, logins, orders, pages, rules, statuses, store
from orders_svc.dashboard import SESSION, DashboardService
from orders_svc.statuses import MOVES, SENT, LabStatus
from orders_svc.warnings import Review, read_tracing, review
from protos import orders_pb2 as pb
from protos import orders_pb2_grpc as rpc

NO_DRAFT = "The order is not a draft."
TOKEN_LIFE = timedelta(hours=24)
USER_EMAIL = "User-Email"

CREATE_TOKEN = Rules(rules.CREATE_TOKEN_REQUEST)
GET_ORDER_SETTINGS = Rules(rules.GET_ORDER_SETTINGS_REQUEST)
LIST_STYLES = Rules(rules.LIST_STYLES_REQUEST)
LIST_MATERIALS = Rules(rules.LIST_MATERIALS_REQUEST)
LIST_ADDONS = Rules(rules.LIST_ADDONS_REQUEST)
CREATE_ORDER = Rules(rules.CREATE_ORDER_REQUEST, raw=("frame.tracing",))
LIST_ORDERS = Rules(pages.LIST_ORDERS_REQUEST)
LIST_LAB_ORDERS = Rules(pages.LIST_LAB_ORDERS_REQUEST)
UPDATE_ORDER = Rules(statuses.UPDATE_ORDER_REQUEST)


class OrderService(rpc.OrderServiceServicer):
    """What opticians' software calls."""

    def __init__(
        self,
        database: Database,
        cache: ReferenceCache,
        public_url: str,
        now: Callable[[], datetime] = utc_now,
    ) -> None:
        self.database = database
        self.cache = cache
        self.public_url = public_url
        self.now = now

    def CreateToken(
        self, request: pb.CreateTokenRequest, context: grpc.ServicerContext
    ) -> pb.Token:
        values, call = CREATE_TOKEN.check(request), current_call()
        with self.database.read() as tx:
            account = store.accounts.authenticate(tx, values["client_id"], values["client_secret"])
        require_role(account, CLIENT)
        token = "tok_" + derive_secret(values["client_secret"], call.idempotency_key)
        with self.database.write() as tx:
            now = self.now()
            call.replayed = not store.put_token(tx, account, token, now, now + TOKEN_LIFE)
        return pb.Token(token=token)

    def ListLabs(
        self, request: pb.ListLabsRequest, context: grpc.ServicerContext
    ) -> pb.ListLabsResponse:
        user = self.acting_user()
        with self.database.read() as tx:
            rows = store.labs_of(tx, user)
        return pb.ListLabsResponse(data=[pb.Lab(**row._mapping) for row in rows])

    def GetOrderSettings(
        self, request: pb.GetOrderSettingsRequest, context: grpc.ServicerContext
    ) -> pb.OrderSettings:
        user = self.acting_user()
        return pb.OrderSettings(**self.lab_settings(user, GET_ORDER_SETTINGS.check(request)))

    def ListStyles(
        self, request: pb.ListStylesRequest, context: grpc.ServicerContext
    ) -> pb.ListStylesResponse:
        user, values = self.acting_user(), LIST_STYLES.check(request)
        self.lab_settings(user, values)
        # Two lists a lab, and the only ones that are as long as its catalog.
        lab, lens_type = values["lab"], values["lens_type"]
        return self.cache.get(
            ("styles", lab, lens_type), lambda tx: documents.styles(tx, lab, lens_type)
        )

    def ListMaterials(
        self, request: pb.ListMaterialsRequest, context: grpc.ServicerContext
    ) -> pb.ListMaterialsResponse:
        user, values = self.acting_user(), LIST_MATERIALS.check(request)
        self.lab_settings(user, values)
        with self.database.read() as tx:
            rows = store.materials_of(tx, values["lab"], values["style"])
        return pb.ListMaterialsResponse(data=[pb.CatalogEntry(**row._mapping) for row in rows])

    def ListAddons(
        self, request: pb.ListAddonsRequest, context: grpc.ServicerContext
    ) -> pb.ListAddonsResponse:
        user, values = self.acting_user(), LIST_ADDONS.check(request)
        self.lab_settings(user, values)
        with self.database.read() as tx:
            rows = store.addons_of(tx, values["lab"], values["style"], values["material"])
        return pb.ListAddonsResponse(data=addons_message(rows))

    def CreateOrder(
        self, request: pb.CreateOrderRequest, context: grpc.ServicerContext
    ) -> pb.CreateOrderResponse:
        user = self.acting_user()
        order, found = self.checked(user, request)
        is_told = order["mode"] == "submit" and self.listens(caller())
        is_alone = not is_told and not current_call().idempotency_key
        warnings = documents.warnings(found.warnings)
        with self.database.write(single=is_alone) as tx:
            now = self.now()
            row = orders.add(tx, caller(), user, order, found, now)
            created = pb.CreateOrderResponse(id=row["id"], warnings=warnings)
            if row["lab_status"] == LabStatus.DRAFT:
                created.url = documents.review_page(row["id"], self.public_url)
            if is_told:
                events.tell(tx, caller().name, events.SUBMITTED, row, now)
            return store.idempotency_keys.save(tx, created)

    def ListOrders(
        self, request: pb.ListOrdersRequest, context: grpc.ServicerContext
    ) -> pb.ListOrdersResponse:
        user, filters = self.acting_user(), LIST_ORDERS.check(request)
        self.lab_settings(user, filters)
        with self.database.read() as tx:
            page = listing.orders_of(tx, caller(), filters)
        return pb.ListOrdersResponse(
            has_more=page.has_more, data=[documents.listed(row) for row in page.rows]
        )

    def GetOrder(self, request: pb.GetOrderRequest, context: grpc.ServicerContext) -> pb.Order:
        return self.document(self.seen(self.acting_user(), request.order_id))

    def SubmitOrder(
        self, request: pb.SubmitOrderRequest, context: grpc.ServicerContext
    ) -> pb.Order:
        user = self.acting_user()
        draft = self.seen(user, request.order_id)
        if draft.lab_status != LabStatus.DRAFT:
            raise WrongState(NO_DRAFT)
        _, found = self.checked(user, documents.submission(draft))
        with self.database.write() as tx:
            now = self.now()
            row = orders.submit(tx, caller(), user, draft.id, found, now)
            if row is None:
                raise WrongState(NO_DRAFT)
            events.tell(tx, caller().name, events.SUBMITTED, row._mapping, now)
            return store.idempotency_keys.save(tx, self.document(row))

    def GetOrderOutline(
        self, request: pb.GetOrderOutlineRequest, context: grpc.ServicerContext
    ) -> pb.OrderOutline:
        row = self.seen(self.acting_user(), request.order_id)
        return documents.outline(row)

    def GetOrderJob(
        self, request: pb.GetOrderJobRequest, context: grpc.ServicerContext
    ) -> pb.OrderJob:
        row = self.seen(self.acting_user(), request.order_id)
        with self.database.read() as tx:
            return documents.job(tx, row)

    def seen(self, user: int, order_id: str) -> Row[Any]:
        """An order that the user sees; raises NotFound."""
        with self.database.read(single=True) as tx:
            found = orders.seen(tx, caller(), user, order_id)
        if found is None:
            raise NotFound("You have no such order.")
        return found

    def checked(self, user: int, request: pb.CreateOrderRequest) -> tuple[dict[str, Any], Review]:
        """An order that its lab may have, and what is odd in it; raises Invalid."""
        order, faults = CREATE_ORDER.examine(request)
        offer = self.offer(user, order)
        traced, refused = read_tracing(order)
        known = {fault.path for fault in faults}
        others = (each for each in refused if each[0] not in known)
        refuse(faults, rules.offer_faults(order, offer), others)
        assert offer is not None
        return order, review(order, offer, traced)

    def listens(self, client: Account) -> bool:
        """Whether a client has an endpoint: most have none, and their orders need no asking."""
        return self.cache.get(
            ("endpoint", client.id),
            lambda tx: store.outbox.endpoints.find(tx, client.name) is not None,
        )

    def document(self, row: Row[Any]) -> pb.Order:
        """An order as a message."""
        return documents.order(row, self.public_url)

    def acting_user(self) -> int:
        """The user of this client for whom the call is made."""
        email, account = current_call().metadata.get("user-email", ""), caller()
        if not email:
            fault = Fault(USER_EMAIL, "Send the e-mail address of a dashboard user.")
            raise Invalid("User-Email is missing.", faults=[fault])
        found = self.cache.get(
            ("user", account.id, email), lambda tx: store.user_id(tx, account, email)
        )
        if found is None:
            fault = Fault(USER_EMAIL, "Must be the e-mail address of a user of this client.")
            raise Forbidden("User-Email is not a user of this client.", faults=[fault])
        return found

    def lab_settings(self, user: int, values: dict[str, str]) -> dict[str, list[str]]:
        """The settings of a lab of this user; raises NotFound."""
        found = self.settings(user, values["lab"], values["account_number"])
        if found is None:
            raise NotFound("You have no such lab with this account number.")
        return found

    def settings(self, user: int, lab: str, number: str) -> dict[str, list[str]] | None:
        """The option lists of a lab of this user."""
        return self.cache.get(
            ("settings", user, lab, number), lambda tx: store.settings_of(tx, user, lab, number)
        )

    def offer(self, user: int, order: dict[str, Any]) -> rules.Offer | None:
        """What the order's lab offers it; None when the lab is not this user's."""
        lab, lens = order.get("lab", ""), order.get("lens", {})
        settings = self.settings(user, lab, order.get("account_number", ""))
        if settings is None:
            return None
        if not lens:
            return rules.Offer(settings)
        named = store.Lens.of(lab, lens)
        return rules.Offer(settings, **self.cache.get(named, lambda tx: store.found(tx, named)))


class LabDeskService(rpc.LabDeskServiceServicer):
    """What labs call, whoever the client."""

    def __init__(
        self, database: Database, public_url: str, now: Callable[[], datetime] = utc_now
    ) -> None:
        self.database = database
        self.public_url = public_url
        self.now = now

    def ListLabOrders(
        self, request: pb.ListLabOrdersRequest, context: grpc.ServicerContext
    ) -> pb.ListLabOrdersResponse:
        filters = LIST_LAB_ORDERS.check(request)
        with self.database.read() as tx:
            if not store.has_lab(tx, filters["lab"]):
                raise NotFound("There is no such lab.")
            page = listing.queue_of(tx, filters)
        return pb.ListLabOrdersResponse(
            has_more=page.has_more, data=[documents.queued(row) for row in page.rows]
        )

    def GetLabOrder(
        self, request: pb.GetLabOrderRequest, context: grpc.ServicerContext
    ) -> pb.Order:
        with self.database.read() as tx:
            return documents.order(sent(tx, request.order_id), self.public_url)

    def GetLabOrderJob(
        self, request: pb.GetLabOrderJobRequest, context: grpc.ServicerContext
    ) -> pb.OrderJob:
        with self.database.read() as tx:
            return documents.job(tx, sent(tx, request.order_id))

    def UpdateOrder(
        self, request: pb.UpdateOrderRequest, context: grpc.ServicerContext
    ) -> pb.LabOrder:
        change = UPDATE_ORDER.check(request)
        moves = "lab_status" in change
        before = MOVES[LabStatus(change["lab_status"])] if moves else SENT
        with self.database.write() as tx:
            now = self.now()
            row = orders.move(tx, request.order_id, before, change, now)
            if row is None:
                stands = sent(tx, request.order_id).lab_status
                raise WrongState(f"The order is {stands}, which does not allow this.")
            if moves:
                client = store.client(tx, row.account_id)
                events.tell(tx, client, events.STATUS_CHANGED, row._mapping, now)
            return store.idempotency_keys.save(tx, documents.queued(row))


def sent(tx: Connection, order_id: str) -> Row[Any]:
    """An order that was sent to a lab; raises NotFound."""
    found = orders.sent(tx, order_id)
    if found is None:
        raise NotFound("There is no such order.")
    return found


def addons_message(rows: Iterable[Any]) -> pb.Addons:
    """Addons by their kind."""
    made = pb.Addons()
    for row in rows:
        if row.kind == "coat":
            made.coats.add(id=row.id, name=row.name, type=row.type)
        elif row.kind == "color":
            made.colors.add(id=row.id, name=row.name)
        else:
            made.tints.append(row.id)
    return made


def authenticate(cache: ReferenceCache, now: Callable[[], datetime]) -> Authenticate:
    """Authentication by bearer token, by HTTP Basic for direct gRPC callers, or by a session.

    A session of the dashboard stands for its user, whoever else the call names.
    """
    basic = store.accounts.basic_authenticator(cache)

    def find(call: Call) -> Account | None:
        scheme, _, token = call.metadata.get("authorization", "").partition(" ")
        if scheme.lower() == "basic":
            return basic(call)
        if scheme.lower() == SESSION:
            account, call.metadata["user-email"] = logins.caller_of(cache.database, token, now())
            return account
        key = hash_secret(token)
        found = cache.get(("token", key), lambda tx: store.token_account(tx, key))
        if found is None or found.expires_at <= now():
            raise Unauthenticated("The token is unknown or has expired; fetch a new one.")
        return found.account

    return find


def serve(
    database: Database,
    listen: str,
    public_url: str,
    now: Callable[[], datetime] = utc_now,
) -> RunningServer:
    """Start the orders service."""
    cache = ReferenceCache(database, store.changes)
    service = OrderService(database, cache, public_url, now)
    of = pb.DESCRIPTOR.services_by_name
    return start_server(
        [
            (
                service,
                rpc.add_OrderServiceServicer_to_server,
                of["OrderService"],
            ),
            (
                DashboardService(database, service.acting_user, public_url, now),
                rpc.add_DashboardServiceServicer_to_server,
                of["DashboardService"],
            ),
            (
                LabDeskService(database, public_url, now),
                rpc.add_LabDeskServiceServicer_to_server,
                of["LabDeskService"],
            ),
        ],
        database=database,
        idempotency_keys=store.idempotency_keys,
        authenticate=authenticate(cache, now),
        open_rpcs=frozenset(
            {
                f"/{of['OrderService'].full_name}/CreateToken",
                f"/{of['DashboardService'].full_name}/LogIn",
            }
        ),
        listen=listen,
    )
