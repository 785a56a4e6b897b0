"""GetOrderSettings: the option lists of a lab, on both engines."""

from protos import orders_pb2 as pb
from tests.orders_svc.rpcs.test_catalogs import ACME, VISION
from tests.serving import Served

SETTINGS = {
    "frame_handling_options": ["Frame to Come", "Lenses Only"],
    "frame_materials": ["Metal", "Zyl"],
    "mounting_options": ["Edged & Mount", "Uncuts Only"],
    "order_types": ["rx", "frame"],
    "redo_types": ["Remake", "Warranty"],
    "services": ["Roll & Polish Edges", "Add/Replace Nose Pads"],
}


def test_it_works(orders: Served) -> None:
    for lab in (ACME, VISION):
        request = pb.GetOrderSettingsRequest(**lab)
        assert orders.call("GetOrderSettings", request) == pb.OrderSettings(**SETTINGS)
