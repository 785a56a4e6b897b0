"""ListMaterials: the materials of a style, by name, on both engines."""

from typing import Any

import pytest

from protos import orders_pb2 as pb
from tests.orders_svc.rpcs.test_catalogs import ACME, VISION
from tests.serving import Served


@pytest.mark.parametrize(
    ("lab", "style", "found"),
    [
        (ACME, "style_123", [("material_456", "CR-39"), ("material_123", "Polycarbonate")]),
        (ACME, "style_789", [("material_123", "Polycarbonate")]),
        (ACME, "style_456", []),
        (ACME, "style_999", []),
        (VISION, "style_456", [("material_789", "Trivex")]),
        (VISION, "style_123", []),
    ],
)
def test_it_works(orders: Served, lab: dict[str, str], style: str, found: Any) -> None:
    materials = [pb.CatalogEntry(id=id_, name=name) for id_, name in found]
    request = pb.ListMaterialsRequest(**lab, style=style)
    assert orders.call("ListMaterials", request) == pb.ListMaterialsResponse(data=materials)
