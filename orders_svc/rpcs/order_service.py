"""OrderService: what opticians' software calls."""

from typing import Any

import grpc

from chassis.context import get_caller, get_current_call
from chassis.errors import NotFound
from chassis.server.accounts import require_role
from chassis.server.roles import CLIENT
from chassis.server.server import Resources
from chassis.validation import Rules, refuse
from orders_svc.actions.create_order import create_order
from orders_svc.actions.create_token import create_token
from orders_svc.actions.submit_order import ensure_draft, submit_order
from orders_svc.documents import catalogs as catalog_documents
from orders_svc.documents import fhir as fhir_documents
from orders_svc.documents import orders as documents
from orders_svc.rpcs.callers import Callers
from orders_svc.rules import catalogs as catalog_rules
from orders_svc.rules.fhir import READ_ORDER_RX_REQUEST
from orders_svc.rules.lists import LIST_ORDERS_REQUEST
from orders_svc.rules.names import list_further_names
from orders_svc.rules.offer import find_offer_faults
from orders_svc.rules.order import CREATE_ORDER_REQUEST
from orders_svc.rules.tokens import CREATE_TOKEN_REQUEST
from orders_svc.rules.warnings.review import Review, find_unconfirmed, read_tracing, review_order
from orders_svc.store import catalogs, order_lists, tables, users
from orders_svc.store.lookups import Lookups
from orders_svc.store.orders import get_order
from protos import orders_pb2 as pb
from protos import orders_pb2_grpc as rpc

CREATE_TOKEN = Rules(CREATE_TOKEN_REQUEST)
GET_ORDER_SETTINGS = Rules(catalog_rules.GET_ORDER_SETTINGS_REQUEST)
LIST_STYLES = Rules(catalog_rules.LIST_STYLES_REQUEST)
LIST_MATERIALS = Rules(catalog_rules.LIST_MATERIALS_REQUEST)
LIST_ADDONS = Rules(catalog_rules.LIST_ADDONS_REQUEST)
CREATE_ORDER = Rules(CREATE_ORDER_REQUEST, raw=("frame.tracing",))
LIST_ORDERS = Rules(LIST_ORDERS_REQUEST)
READ_ORDER_RX = Rules(READ_ORDER_RX_REQUEST, raw=("document",))


class OrderService(rpc.OrderServiceServicer):
    """What opticians' software calls."""

    def __init__(self, resources: Resources) -> None:
        self.database = resources.database
        self.public_url = resources.public_url
        self.now = resources.now
        self.lookups = Lookups(resources.cache)
        self.callers = Callers(resources)

    def CreateToken(
        self, request: pb.CreateTokenRequest, context: grpc.ServicerContext
    ) -> pb.Token:
        values = CREATE_TOKEN.check(request)
        client_id, secret = values["client_id"], values["client_secret"]
        with self.database.read() as tx:
            account = tables.accounts.authenticate(tx, client_id, secret)
        require_role(account, CLIENT)
        with self.database.write() as tx:
            return pb.Token(token=create_token(tx, account, secret, self.now()))

    def WhoAmI(self, request: pb.WhoAmIRequest, context: grpc.ServicerContext) -> pb.WhoAmIResponse:
        user_id = self.callers.find_acting_user()
        with self.database.read() as tx:
            labs = catalog_documents.build_labs(users.list_labs(tx, user_id))
        return pb.WhoAmIResponse(
            client=get_caller().name, user=self.callers.find_acting_email(), labs=labs
        )

    def ListLabs(
        self, request: pb.ListLabsRequest, context: grpc.ServicerContext
    ) -> pb.ListLabsResponse:
        user_id = self.callers.find_acting_user()
        with self.database.read() as tx:
            rows = users.list_labs(tx, user_id)
        return pb.ListLabsResponse(data=catalog_documents.build_labs(rows))

    def GetOrderSettings(
        self, request: pb.GetOrderSettingsRequest, context: grpc.ServicerContext
    ) -> pb.OrderSettings:
        user_id = self.callers.find_acting_user()
        settings = self.get_settings(user_id, GET_ORDER_SETTINGS.check(request))
        return pb.OrderSettings(**{name: settings[name] for name in catalog_rules.OPTION_LISTS})

    def ListStyles(
        self, request: pb.ListStylesRequest, context: grpc.ServicerContext
    ) -> pb.ListStylesResponse:
        user_id, values = self.callers.find_acting_user(), LIST_STYLES.check(request)
        self.get_settings(user_id, values)
        # Cached: two lists per lab, and the only ones as long as its whole catalog.
        lab_id, lens_type = values["lab"], values["lens_type"]
        return self.lookups.cache.get(
            ("styles", lab_id, lens_type),
            lambda tx: catalog_documents.build_styles(tx, lab_id, lens_type),
        )

    def ListMaterials(
        self, request: pb.ListMaterialsRequest, context: grpc.ServicerContext
    ) -> pb.ListMaterialsResponse:
        user_id, values = self.callers.find_acting_user(), LIST_MATERIALS.check(request)
        self.get_settings(user_id, values)
        with self.database.read() as tx:
            rows = catalogs.list_materials(tx, values["lab"], values["style"])
        return pb.ListMaterialsResponse(data=catalog_documents.build_entries(rows))

    def ListAddons(
        self, request: pb.ListAddonsRequest, context: grpc.ServicerContext
    ) -> pb.ListAddonsResponse:
        user_id, values = self.callers.find_acting_user(), LIST_ADDONS.check(request)
        self.get_settings(user_id, values)
        with self.database.read() as tx:
            rows = catalogs.list_addons(tx, values["lab"], values["style"], values["material"])
        return pb.ListAddonsResponse(data=catalog_documents.build_addons(rows))

    def CreateOrder(
        self, request: pb.CreateOrderRequest, context: grpc.ServicerContext
    ) -> pb.CreateOrderResponse:
        user_id, client = self.callers.find_acting_user(), get_caller()
        order, review = self.check_order(user_id, request)
        notify = order["mode"] == "submit" and self.lookups.has_endpoint(client)
        has_words = self.database.keyring or list_further_names(order["patient"])
        is_single = not (notify or has_words or get_current_call().idempotency_key)
        with self.database.write(single=is_single) as tx:
            row = create_order(tx, client, user_id, order, review, self.now(), notify=notify)
            created = documents.build_created_order(row, self.public_url)
            return tables.idempotency_keys.save(tx, created)

    def ListOrders(
        self, request: pb.ListOrdersRequest, context: grpc.ServicerContext
    ) -> pb.ListOrdersResponse:
        user_id, filters = self.callers.find_acting_user(), LIST_ORDERS.check(request)
        self.get_settings(user_id, filters)
        with self.database.read() as tx:
            page = order_lists.list_orders(tx, get_caller(), filters)
        data = [documents.build_listed_order(row) for row in page.rows]
        return pb.ListOrdersResponse(has_more=page.has_more, data=data)

    def GetOrder(self, request: pb.GetOrderRequest, context: grpc.ServicerContext) -> pb.Order:
        user_id = self.callers.find_acting_user()
        with self.database.read(single=True) as tx:
            row = get_order(tx, get_caller(), user_id, request.order_id)
        return documents.build_order(row, self.public_url)

    def SubmitOrder(
        self, request: pb.SubmitOrderRequest, context: grpc.ServicerContext
    ) -> pb.Order:
        user_id = self.callers.find_acting_user()
        with self.database.read(single=True) as tx:
            draft = get_order(tx, get_caller(), user_id, request.order_id)
        ensure_draft(draft)
        submission = documents.build_submission(draft, request.acknowledged_warnings)
        _, review = self.check_order(user_id, submission)
        with self.database.write() as tx:
            row = submit_order(tx, get_caller(), user_id, draft.id, review, self.now())
            return tables.idempotency_keys.save(tx, documents.build_order(row, self.public_url))

    def GetOrderOutline(
        self, request: pb.GetOrderOutlineRequest, context: grpc.ServicerContext
    ) -> pb.OrderOutline:
        user_id = self.callers.find_acting_user()
        with self.database.read(single=True) as tx:
            row = get_order(tx, get_caller(), user_id, request.order_id)
        return documents.build_outline(row)

    def GetOrderJob(
        self, request: pb.GetOrderJobRequest, context: grpc.ServicerContext
    ) -> pb.OrderJob:
        user_id = self.callers.find_acting_user()
        with self.database.read() as tx:
            row = get_order(tx, get_caller(), user_id, request.order_id)
            return documents.build_job(tx, row)

    def GetOrderFhir(
        self, request: pb.GetOrderFhirRequest, context: grpc.ServicerContext
    ) -> pb.FhirDocument:
        user_id = self.callers.find_acting_user()
        with self.database.read(single=True) as tx:
            row = get_order(tx, get_caller(), user_id, request.order_id)
        return fhir_documents.build_fhir(row)

    def ReadOrderRx(
        self, request: pb.ReadOrderRxRequest, context: grpc.ServicerContext
    ) -> pb.OrderRx:
        self.callers.find_acting_user()
        answer = fhir_documents.build_order_rx(**READ_ORDER_RX.check(request))
        if not get_current_call().idempotency_key:
            return answer
        with self.database.write() as tx:
            return tables.idempotency_keys.save(tx, answer)

    def check_order(
        self, user_id: int, request: pb.CreateOrderRequest
    ) -> tuple[dict[str, Any], Review]:
        """Return a valid order that its lab offers, and its review; raises Invalid."""
        order, faults = CREATE_ORDER.examine(request)
        offer = self.lookups.find_offer(user_id, order)
        tracing, tracing_faults = read_tracing(order)
        at_fault = {fault.path for fault in faults}
        others = (fault for fault in tracing_faults if fault[0] not in at_fault)
        refuse(faults, find_offer_faults(order, offer), others)
        assert offer is not None
        review = review_order(order, offer, tracing)
        refuse(find_unconfirmed(order, review))
        return order, review

    def get_settings(self, user_id: int, values: dict[str, str]) -> dict[str, Any]:
        """Return the settings of a lab of this user; raises NotFound."""
        settings = self.lookups.find_settings(user_id, values["lab"], values["account_number"])
        if settings is None:
            raise NotFound("You have no such lab with this account number.")
        return settings
