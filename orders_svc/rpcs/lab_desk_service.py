"""LabDeskService: what labs call, for the orders of every client."""

import grpc
import msgspec

from chassis.errors import NotFound
from chassis.events.desk import LIST_EVENTS, REPLAY_EVENT, describe_event, list_events
from chassis.persons import find_rows
from chassis.server.server import Resources
from chassis.validation import Rules
from orders_svc.actions.answer_cancel_request import answer_cancel_request
from orders_svc.actions.events.replay_event import replay_event
from orders_svc.actions.persons.erase_person import erase_person
from orders_svc.actions.update_order import update_order
from orders_svc.documents import orders as documents
from orders_svc.documents.persons import export_person
from orders_svc.rules.lab_status import ANSWER_CANCEL_REQUEST_REQUEST, UPDATE_ORDER_REQUEST
from orders_svc.rules.lists import LIST_LAB_ORDERS_REQUEST
from orders_svc.rules.persons import PERSON_REQUEST
from orders_svc.store import order_lists, tables
from orders_svc.store.catalogs import has_lab
from orders_svc.store.life.history import read_life
from orders_svc.store.orders import get_submitted_order
from orders_svc.store.persons import find_orders_of_person
from protos import orders_pb2 as pb
from protos import orders_pb2_grpc as rpc

LIST_LAB_ORDERS = Rules(LIST_LAB_ORDERS_REQUEST)
ANSWER_CANCEL_REQUEST = Rules(ANSWER_CANCEL_REQUEST_REQUEST)
UPDATE_ORDER = Rules(UPDATE_ORDER_REQUEST)
PERSON = Rules(PERSON_REQUEST)


class LabDeskService(rpc.LabDeskServiceServicer):
    """What labs call, for the orders of every client."""

    def __init__(self, resources: Resources) -> None:
        self.database = resources.database
        self.public_url = resources.public_url
        self.now = resources.now

    def ListLabOrders(
        self, request: pb.ListLabOrdersRequest, context: grpc.ServicerContext
    ) -> pb.ListLabOrdersResponse:
        filters = LIST_LAB_ORDERS.check(request)
        with self.database.read() as tx:
            if not has_lab(tx, filters["lab"]):
                raise NotFound("There is no such lab.")
            page = order_lists.list_lab_orders(tx, filters)
        data = [documents.build_lab_order(row) for row in page.rows]
        return pb.ListLabOrdersResponse(has_more=page.has_more, data=data)

    def GetLabOrder(
        self, request: pb.GetLabOrderRequest, context: grpc.ServicerContext
    ) -> pb.Order:
        with self.database.read() as tx:
            row = get_submitted_order(tx, request.order_id)
            return documents.build_order(row, read_life(tx, row), self.public_url, self.now())

    def GetLabOrderJob(
        self, request: pb.GetLabOrderJobRequest, context: grpc.ServicerContext
    ) -> pb.OrderJob:
        with self.database.read() as tx:
            return documents.build_job(tx, get_submitted_order(tx, request.order_id))

    def UpdateOrder(
        self, request: pb.UpdateOrderRequest, context: grpc.ServicerContext
    ) -> pb.LabOrder:
        change = UPDATE_ORDER.check(request)
        with self.database.write() as tx:
            row = update_order(tx, change, self.now())
            return tables.idempotency_keys.save(tx, documents.build_lab_order(row))

    def AnswerCancelRequest(
        self, request: pb.AnswerCancelRequestRequest, context: grpc.ServicerContext
    ) -> pb.LabOrder:
        answer = ANSWER_CANCEL_REQUEST.check(request)
        with self.database.write() as tx:
            row = answer_cancel_request(tx, answer, self.now())
            return tables.idempotency_keys.save(tx, documents.build_lab_order(row))

    def ListEvents(
        self, request: pb.ListEventsRequest, context: grpc.ServicerContext
    ) -> pb.ListEventsResponse:
        wanted = LIST_EVENTS.check(request)
        with self.database.read() as tx:
            return pb.ListEventsResponse(**list_events(tx, tables.outbox, **wanted))

    def ReplayEvent(
        self, request: pb.ReplayEventRequest, context: grpc.ServicerContext
    ) -> pb.Event:
        event_id = REPLAY_EVENT.check(request)["event_id"]
        with self.database.write() as tx:
            row = replay_event(tx, event_id, self.now())
            return tables.idempotency_keys.save(tx, pb.Event(**describe_event(row)))

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
            return tables.idempotency_keys.save(tx, pb.ErasePersonResponse(erased=len(ids)))

    def _find_person(self, request: pb.ExportPersonRequest | pb.ErasePersonRequest) -> list[str]:
        values = PERSON.check(request)
        return find_rows(self.database, find_orders_of_person, values, "client")
