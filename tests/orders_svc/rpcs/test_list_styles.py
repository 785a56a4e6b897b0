"""ListStyles: a lab's styles of a lens type, on both engines."""

from typing import Any

import pytest

from protos import orders_pb2 as pb
from tests.orders_svc.rpcs.test_catalogs import ACME, VISION
from tests.serving import Served


@pytest.mark.parametrize(
    ("lab", "lens_type", "found"),
    [
        (ACME, "single_vision", [("style_123", "Single Vision")]),
        (ACME, "multifocal", [("style_789", "Progressive")]),
        (VISION, "single_vision", [("style_456", "Single Vision")]),
        (VISION, "multifocal", []),
    ],
)
def test_it_works(orders: Served, lab: dict[str, str], lens_type: str, found: Any) -> None:
    styles = [pb.CatalogEntry(id=id_, name=name) for id_, name in found]
    request = pb.ListStylesRequest(**lab, lens_type=lens_type)
    assert orders.call("ListStyles", request) == pb.ListStylesResponse(data=styles)
