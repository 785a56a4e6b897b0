"""ListLabs: the labs of a user, by name, on both engines."""

from protos import orders_pb2 as pb
from tests.orders_svc.rpcs.test_catalogs import SECOND_USER
from tests.serving import Served


def test_it_works(orders: Served) -> None:
    acme = pb.Lab(id="lab_123", name="Acme Lab", account_number="1234567")
    vision = pb.Lab(id="lab_456", name="VisionWorks Lab", account_number="7654321")
    request = pb.ListLabsRequest()
    assert orders.call("ListLabs", request) == pb.ListLabsResponse(data=[acme, vision])
    assert orders.call("ListLabs", request, **SECOND_USER) == pb.ListLabsResponse(data=[vision])
    assert orders.call("ListLabs", request, "other") == pb.ListLabsResponse()
