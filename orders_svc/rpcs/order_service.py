"""OrderService: what opticians' software calls."""

from functools import partial
from typing import Any

import grpc
from sqlalchemy import Connection

from chassis.context import get_caller, get_current_call
from chassis.errors import NotFound
from chassis.server.accounts import require_role
from chassis.server.preconditions import check_version, read_versions, report_version
from chassis.server.server import Resources
from chassis.settings.roles import CLIENT
from chassis.validation import Rules
from orders_svc.actions.cancel_order import cancel_order
from orders_svc.actions.create_order import create_order
from orders_svc.actions.create_token import create_token
from orders_svc.actions.delete_order import delete_order
from orders_svc.actions.duplicate_order import duplicate_order, ensure_copyable
from orders_svc.actions.lens_packages.create_lens_package import create_lens_package
from orders_svc.actions.lens_packages.delete_lens_package import delete_lens_package
from orders_svc.actions.replace_order import ensure_editable, replace_order
from orders_svc.actions.submit_order import ensure_draft, submit_order
from orders_svc.actions.tracking.create_tracking_link import create_tracking_link
from orders_svc.actions.tracking.mark_order_ready import mark_order_ready
from orders_svc.documents import catalogs as catalog_documents
from orders_svc.documents import fhir as fhir_documents
from orders_svc.documents import orders as documents
from orders_svc.documents.lens_packages import build_package
from orders_svc.rpcs.callers import Callers
from orders_svc.rpcs.checks import OrderChecks
from orders_svc.rules import catalogs as catalog_rules
from orders_svc.rules.credentials.tokens import CREATE_TOKEN_REQUEST
from orders_svc.rules.fhir import READ_ORDER_RX_REQUEST
from orders_svc.rules.life.copies import DUPLICATE_ORDER_REQUEST
from orders_svc.rules.lists import LIST_ORDERS_REQUEST
from orders_svc.rules.names import list_further_names
from orders_svc.store import catalogs, order_lists, tables
from orders_svc.store.access import users
from orders_svc.store.horizon import is_live
from orders_svc.store.lens_packages import list_packages
from orders_svc.store.life.history import read_life
from orders_svc.store.lookups import Lookups
from orders_svc.store.orders import get_order
from protos import orders_pb2 as pb
from protos import orders_pb2_grpc as rpc

CREATE_TOKEN = Rules(CREATE_TOKEN_REQUEST)
GET_ORDER_SETTINGS = Rules(catalog_rules.GET_ORDER_SETTINGS_REQUEST)
LIST_STYLES = Rules(catalog_rules.LIST_STYLES_REQUEST)
LIST_MATERIALS = Rules(catalog_rules.LIST_MATERIALS_REQUEST)
LIST_ADDONS = Rules(catalog_rules.LIST_ADDONS_REQUEST)
DUPLICATE_ORDER = Rules(
    DUPLICATE_ORDER_REQUEST, raw=("order_id",), paragraphs=("redo_data.reason",)
)
LIST_LENS_PACKAGES = Rules(catalog_rules.GET_ORDER_SETTINGS_REQUEST)
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
        self.checks = OrderChecks(self.lookups, resources.now)

    def CreateToken(
        self, request: pb.CreateTokenRequest, context: grpc.ServicerContext
    ) -> pb.Token:
        values = CREATE_TOKEN.check(request)
        client_id, secret = values["client_id"], values["client_secret"]
        with self.database.read() as tx:
            account = tables.accounts.authenticate(tx, client_id, secret, self.now())
        get_current_call().account = account
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
        order, review = self.checks.check_order(user_id, request)
        submission = self.checks.find_submission(user_id, order)
        is_sent = order["mode"] == "submit" and submission.transmit_at is None
        notify = is_sent and self.lookups.has_endpoint(client)
        has_job = is_sent and self.lookups.has_transport(order["lab"])
        # On SQLite the order, its audit entry and its key are statements that cost no round trip.
        single = not (
            self.database.is_sqlite
            or self.database.keyring is not None
            or notify
            or has_job
            or submission.transmit_at
            or not is_live(submission.now)
            or list_further_names(order["patient"])
        )
        if not single:
            tables.idempotency_keys.ensure_free(self.database)
        answer = partial(documents.build_created_order, public_url=self.public_url)
        with self.database.write(single=single) as tx:
            row = create_order(
                tx,
                client,
                user_id,
                order,
                review,
                submission,
                notify=notify,
                has_job=has_job,
                answer_alone=answer if single else None,
            )
            created = answer(row)
            return created if single else tables.idempotency_keys.save(tx, created)

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
            return self.read_order(tx, user_id, request.order_id)

    def ReplaceOrder(
        self, request: pb.ReplaceOrderRequest, context: grpc.ServicerContext
    ) -> pb.Order:
        user_id, versions = self.callers.find_acting_user(), read_versions()
        with self.database.read(single=True) as tx:
            found = get_order(tx, get_caller(), user_id, request.order_id)
        ensure_editable(found, versions, self.now())
        order, review = self.checks.check_replacement(user_id, found, request)
        with self.database.write() as tx:
            replace_order(tx, get_caller(), user_id, found, order, review, self.now(), versions)
            return self.save_order(tx, user_id, found.id)

    def DeleteOrder(
        self, request: pb.DeleteOrderRequest, context: grpc.ServicerContext
    ) -> pb.DeleteOrderResponse:
        user_id, versions = self.callers.find_acting_user(), read_versions()
        with self.database.write() as tx:
            delete_order(tx, get_caller(), user_id, request.order_id, versions)
            return tables.idempotency_keys.save(tx, pb.DeleteOrderResponse())

    def SubmitOrder(
        self, request: pb.SubmitOrderRequest, context: grpc.ServicerContext
    ) -> pb.Order:
        user_id, versions = self.callers.find_acting_user(), read_versions()
        with self.database.read(single=True) as tx:
            draft = get_order(tx, get_caller(), user_id, request.order_id)
        check_version(draft.version, versions)
        ensure_draft(draft)
        asked = documents.build_submission(draft, request.acknowledged_warnings)
        order, review = self.checks.check_order(user_id, asked)
        codes = order.get("acknowledged_warnings", [])
        submission = self.checks.find_submission(user_id, order)
        with self.database.write() as tx:
            submit_order(tx, get_caller(), user_id, draft, codes, review, submission, versions)
            return self.save_order(tx, user_id, draft.id)

    def CancelOrder(
        self, request: pb.CancelOrderRequest, context: grpc.ServicerContext
    ) -> pb.Order:
        user_id = self.callers.find_acting_user()
        with self.database.write() as tx:
            cancel_order(tx, get_caller(), user_id, request.order_id, self.now())
            return self.save_order(tx, user_id, request.order_id)

    def DuplicateOrder(
        self, request: pb.DuplicateOrderRequest, context: grpc.ServicerContext
    ) -> pb.CreateOrderResponse:
        user_id, wanted = self.callers.find_acting_user(), DUPLICATE_ORDER.check(request)
        with self.database.read(single=True) as tx:
            original = get_order(tx, get_caller(), user_id, request.order_id)
        ensure_copyable(original, wanted["submission_type"], self.now())
        order, review = self.checks.check_copy(user_id, original, wanted)
        with self.database.write() as tx:
            row = duplicate_order(tx, get_caller(), user_id, original, order, review, self.now())
            created = documents.build_created_order(row, self.public_url)
            return tables.idempotency_keys.save(tx, created)

    def MarkOrderReady(
        self, request: pb.MarkOrderReadyRequest, context: grpc.ServicerContext
    ) -> pb.Order:
        user_id, order_id = self.callers.find_acting_user(), request.order_id
        notify = request.notify if request.HasField("notify") else True
        key = (get_caller(), user_id, order_id)
        with self.database.write() as tx:
            mark_order_ready(tx, *key, self.public_url, self.now(), notify=notify)
            return self.save_order(tx, user_id, order_id)

    def CreateTrackingLink(
        self, request: pb.CreateTrackingLinkRequest, context: grpc.ServicerContext
    ) -> pb.TrackingLink:
        key = (get_caller(), self.callers.find_acting_user(), request.order_id)
        with self.database.write() as tx:
            url = create_tracking_link(tx, *key, self.public_url, self.now(), send=request.send)
            return tables.idempotency_keys.save(tx, pb.TrackingLink(url=url))

    def ListLensPackages(
        self, request: pb.ListLensPackagesRequest, context: grpc.ServicerContext
    ) -> pb.ListLensPackagesResponse:
        user_id, values = self.callers.find_acting_user(), LIST_LENS_PACKAGES.check(request)
        self.get_settings(user_id, values)
        with self.database.read(single=True) as tx:
            rows = list_packages(tx, user_id, values["lab"], values["account_number"])
        return pb.ListLensPackagesResponse(data=[build_package(row._mapping) for row in rows])

    def CreateLensPackage(
        self, request: pb.CreateLensPackageRequest, context: grpc.ServicerContext
    ) -> pb.LensPackage:
        user_id = self.callers.find_acting_user()
        package = self.checks.check_package(user_id, request)
        with self.database.write() as tx:
            row = create_lens_package(tx, user_id, package, self.now())
            return tables.idempotency_keys.save(tx, build_package(row))

    def DeleteLensPackage(
        self, request: pb.DeleteLensPackageRequest, context: grpc.ServicerContext
    ) -> pb.DeleteLensPackageResponse:
        user_id = self.callers.find_acting_user()
        with self.database.write() as tx:
            delete_lens_package(tx, user_id, request.package_id)
            return tables.idempotency_keys.save(tx, pb.DeleteLensPackageResponse())

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

    def read_order(self, tx: Connection, user_id: int, order_id: str) -> pb.Order:
        """Return an order that the user sees, as it stands; raises NotFound."""
        row = get_order(tx, get_caller(), user_id, order_id)
        report_version(row.version)
        return documents.build_order(row, read_life(tx, row), self.public_url, self.now())

    def save_order(self, tx: Connection, user_id: int, order_id: str) -> pb.Order:
        """Return a changed order, and keep it as the answer to the idempotency key."""
        return tables.idempotency_keys.save(tx, self.read_order(tx, user_id, order_id))

    def get_settings(self, user_id: int, values: dict[str, str]) -> dict[str, Any]:
        """Return the settings of a lab of this user; raises NotFound."""
        settings = self.lookups.find_settings(user_id, values["lab"], values["account_number"])
        if settings is None:
            raise NotFound("You have no such lab with this account number.")
        return settings
