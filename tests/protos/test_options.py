"""Every service says which accounts may call it."""

import pytest
from google.protobuf.descriptor import ServiceDescriptor

from chassis.server.interceptor import find_role
from chassis.settings.roles import CLIENT, STAFF
from protos import orders_pb2, sessions_pb2, subscriptions_pb2

SERVICES = [
    service
    for module in (orders_pb2, sessions_pb2, subscriptions_pb2)
    for service in module.DESCRIPTOR.services_by_name.values()
]


@pytest.mark.parametrize("service", SERVICES, ids=lambda each: each.name)
def test_every_service_names_its_role(service: ServiceDescriptor) -> None:
    assert find_role(service) in (CLIENT, STAFF)


def test_staff_services_are_the_desks() -> None:
    staff = {service.name for service in SERVICES if find_role(service) == STAFF}
    assert staff == {"SessionDeskService", "LabDeskService", "SubscriptionDeskService"}
