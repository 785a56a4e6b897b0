"""What is answered: one short method per RPC, and row to message."""

import base64
import hashlib
import hmac
import secrets
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import grpc
from sqlalchemy import Connection

from chassis.accounts import CLIENT, basic_credentials, require_role
from chassis.calls import Account, Call, caller, current
from chassis.database import Database
from chassis.errors import Fault, Forbidden, Invalid, NotFound, Unauthenticated
from chassis.server import Running, start
from chassis.validation import Rules, refuse
from orders_svc import rules, store
from protos import orders_pb2 as pb
from protos import orders_pb2_grpc as rpc

TOKEN_LIFE = timedelta(hours=24)
USER_EMAIL = "User-Email"

CREATE_TOKEN = Rules(rules.CREATE_TOKEN_REQUEST)
GET_ORDER_SETTINGS = Rules(rules.GET_ORDER_SETTINGS_REQUEST)
LIST_STYLES = Rules(rules.LIST_STYLES_REQUEST)
LIST_MATERIALS = Rules(rules.LIST_MATERIALS_REQUEST)
LIST_ADDONS = Rules(rules.LIST_ADDONS_REQUEST)
CREATE_ORDER = Rules(rules.CREATE_ORDER_REQUEST, raw=("frame.tracing",))


def utc_now() -> datetime:
    """This moment."""
    return datetime.now(UTC)


class OrderService(rpc.OrderServiceServicer):
    """What opticians' software calls."""

    def __init__(
        self, database: Database, public_url: str, now: Callable[[], datetime] = utc_now
    ) -> None:
        self.database = database
        self.public_url = public_url
        self.now = now

    def CreateToken(
        self, request: pb.CreateTokenRequest, context: grpc.ServicerContext
    ) -> pb.Token:
        values, call = CREATE_TOKEN.check(request), current()
        with self.database.read() as tx:
            account = store.accounts.named(tx, values["client_id"], values["client_secret"])
        require_role(account, CLIENT)
        token = new_token(values["client_secret"], call.idempotency_key)
        with self.database.write() as tx:
            now = self.now()
            call.replayed = not store.put_token(tx, account, token, now, now + TOKEN_LIFE)
        return pb.Token(token=token)

    def ListLabs(
        self, request: pb.ListLabsRequest, context: grpc.ServicerContext
    ) -> pb.ListLabsResponse:
        with self.database.read() as tx:
            rows = store.labs_of(tx, acting_user(tx))
        return pb.ListLabsResponse(data=[pb.Lab(**row._mapping) for row in rows])

    def GetOrderSettings(
        self, request: pb.GetOrderSettingsRequest, context: grpc.ServicerContext
    ) -> pb.OrderSettings:
        with self.database.read() as tx:
            user = acting_user(tx)
            values = GET_ORDER_SETTINGS.check(request)
            return pb.OrderSettings(**lab_settings(tx, user, values))

    def ListStyles(
        self, request: pb.ListStylesRequest, context: grpc.ServicerContext
    ) -> pb.ListStylesResponse:
        with self.database.read() as tx:
            user = acting_user(tx)
            values = LIST_STYLES.check(request)
            lab_settings(tx, user, values)
            rows = store.styles_of(tx, values["lab"], values["lens_type"])
        return pb.ListStylesResponse(data=[pb.CatalogEntry(**row._mapping) for row in rows])

    def ListMaterials(
        self, request: pb.ListMaterialsRequest, context: grpc.ServicerContext
    ) -> pb.ListMaterialsResponse:
        with self.database.read() as tx:
            user = acting_user(tx)
            values = LIST_MATERIALS.check(request)
            lab_settings(tx, user, values)
            rows = store.materials_of(tx, values["lab"], values["style"])
        return pb.ListMaterialsResponse(data=[pb.CatalogEntry(**row._mapping) for row in rows])

    def ListAddons(
        self, request: pb.ListAddonsRequest, context: grpc.ServicerContext
    ) -> pb.ListAddonsResponse:
        with self.database.read() as tx:
            user = acting_user(tx)
            values = LIST_ADDONS.check(request)
            lab_settings(tx, user, values)
            rows = store.addons_of(tx, values["lab"], values["style"], values["material"])
        found = pb.Addons()
        for row in rows:
            if row.kind == "coat":
                found.coats.add(id=row.id, name=row.name, type=row.type)
            elif row.kind == "color":
                found.colors.add(id=row.id, name=row.name)
            else:
                found.tints.append(row.id)
        return pb.ListAddonsResponse(data=found)

    def CreateOrder(
        self, request: pb.CreateOrderRequest, context: grpc.ServicerContext
    ) -> pb.CreateOrderResponse:
        with self.database.read() as tx:
            user = acting_user(tx)
            order, faults = CREATE_ORDER.examine(request)
            refuse(faults, rules.offer_faults(order, store.offer_for(tx, user, order)))
        with self.database.write() as tx:
            created = pb.CreateOrderResponse(
                id=store.add_order(tx, caller(), user, order, self.now())
            )
            if order["mode"] == "draft":
                created.url = f"{self.public_url}/orders/{created.id}"
            return store.answers.keep(tx, created)


def acting_user(tx: Connection) -> int:
    """The user of this client for whom the call is made."""
    email = current().metadata.get("user-email", "")
    if not email:
        fault = Fault(USER_EMAIL, "Send the e-mail address of a dashboard user.")
        raise Invalid("User-Email is missing.", faults=[fault])
    found = store.user_id(tx, caller(), email)
    if found is None:
        fault = Fault(USER_EMAIL, "Must be the e-mail address of a user of this client.")
        raise Forbidden("User-Email is not a user of this client.", faults=[fault])
    return found


def lab_settings(tx: Connection, user: int, values: dict[str, str]) -> dict[str, list[str]]:
    """The settings of a lab of this user; raises NotFound."""
    found = store.settings_of(tx, user, values["lab"], values["account_number"])
    if found is None:
        raise NotFound("You have no such lab with this account number.")
    return found


def new_token(client_secret: str, idempotency_key: str) -> str:
    """A token; with an idempotency key the same one each time, kept nowhere in clear."""
    if not idempotency_key:
        return "tok_" + secrets.token_urlsafe(32)
    digest = hmac.digest(client_secret.encode(), idempotency_key.encode(), hashlib.sha256)
    return "tok_" + base64.urlsafe_b64encode(digest).decode().rstrip("=")


def authenticate(database: Database, now: Callable[[], datetime]) -> Callable[[Call], Account]:
    """Authentication by bearer token, or by HTTP Basic for direct gRPC callers."""

    def find(call: Call) -> Account:
        authorization = call.metadata.get("authorization", "")
        scheme, _, token = authorization.partition(" ")
        with database.read() as tx:
            if scheme.lower() == "basic":
                return store.accounts.named(tx, *basic_credentials(authorization))
            account = store.token_account(tx, token, now())
        if account is None:
            raise Unauthenticated("The token is unknown or has expired; fetch a new one.")
        return account

    return find


def serve(
    database: Database,
    listen: str,
    public_url: str,
    now: Callable[[], datetime] = utc_now,
) -> Running:
    """Start the orders service."""
    service = OrderService(database, public_url, now)
    descriptor = pb.DESCRIPTOR.services_by_name["OrderService"]
    return start(
        [(service, rpc.add_OrderServiceServicer_to_server, descriptor)],
        database=database,
        answers=store.answers,
        authenticate=authenticate(database, now),
        open_rpcs=frozenset({f"/{descriptor.full_name}/CreateToken"}),
        listen=listen,
    )
