"""The servicers of the three gRPC services."""

from chassis.server.server import Resources
from orders_svc.rpcs.dashboard_service import DashboardService
from orders_svc.rpcs.lab_desk_service import LabDeskService
from orders_svc.rpcs.order_service import OrderService


def build_servicers(resources: Resources) -> list[object]:
    """Return what the server serves."""
    return [OrderService(resources), DashboardService(resources), LabDeskService(resources)]
