"""TrackingService: what the patient's page calls, with nothing but the code of its link."""

import grpc

from chassis.server.server import Resources
from orders_svc.rules.lab_status import ORDERED, PATIENT_STATUSES
from orders_svc.store.tracking import find_tracked_order
from protos import orders_pb2 as pb
from protos import orders_pb2_grpc as rpc


class TrackingService(rpc.TrackingServiceServicer):
    """The RPC of patients, who have no account."""

    def __init__(self, resources: Resources) -> None:
        self.database = resources.database

    def GetTrackedOrder(
        self, request: pb.GetTrackedOrderRequest, context: grpc.ServicerContext
    ) -> pb.TrackedOrder:
        with self.database.read(single=True) as tx:
            row = find_tracked_order(tx, request.code)
        status = PATIENT_STATUSES.get(row.lab_status, ORDERED)
        return pb.TrackedOrder(first_name=row.first_name, status=status)
