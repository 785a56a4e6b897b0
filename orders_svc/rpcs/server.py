"""The server of the three gRPC services."""

from collections.abc import Callable
from datetime import datetime

from chassis.context import utc_now
from chassis.server.server import RunningServer, start_server
from chassis.store.database import Database
from chassis.store.reference_cache import ReferenceCache
from orders_svc.rpcs.callers import Callers
from orders_svc.rpcs.dashboard_service import DashboardService
from orders_svc.rpcs.lab_desk_service import LabDeskService
from orders_svc.rpcs.order_service import OrderService
from orders_svc.store import tables
from orders_svc.store.lookups import Lookups
from protos import orders_pb2 as pb
from protos import orders_pb2_grpc as rpc


def serve(
    database: Database,
    listen: str,
    public_url: str,
    now: Callable[[], datetime] = utc_now,
) -> RunningServer:
    """Start the orders service."""
    lookups = Lookups(ReferenceCache(database, tables.changes))
    callers = Callers(lookups, now)
    services = pb.DESCRIPTOR.services_by_name
    return start_server(
        [
            (
                OrderService(database, lookups, callers, public_url, now),
                rpc.add_OrderServiceServicer_to_server,
                services["OrderService"],
            ),
            (
                DashboardService(database, callers, public_url, now),
                rpc.add_DashboardServiceServicer_to_server,
                services["DashboardService"],
            ),
            (
                LabDeskService(database, public_url, now),
                rpc.add_LabDeskServiceServicer_to_server,
                services["LabDeskService"],
            ),
        ],
        database=database,
        idempotency_keys=tables.idempotency_keys,
        authenticate=callers.authenticate,
        open_rpcs=frozenset(
            {
                f"/{services['OrderService'].full_name}/CreateToken",
                f"/{services['DashboardService'].full_name}/LogIn",
            }
        ),
        listen=listen,
    )
