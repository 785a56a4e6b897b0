"""The servicers of the gRPC services."""

from chassis.server.server import Resources
from orders_svc.rpcs.dashboard_service import DashboardService
from orders_svc.rpcs.lab_desk_service import LabDeskService
from orders_svc.rpcs.order_service import OrderService
from orders_svc.rpcs.tracking_service import TrackingService


def build_servicers(resources: Resources) -> list[object]:
    """Return what the server serves."""
    services = (OrderService, DashboardService, LabDeskService, TrackingService)
    return [service(resources) for service in services]
