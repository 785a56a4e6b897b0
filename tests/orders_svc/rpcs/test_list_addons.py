"""ListAddons: the addons of a style in a material, on both engines."""

import pytest

from protos import orders_pb2 as pb
from tests.orders_svc.rpcs.test_catalogs import ACME
from tests.serving import Served


def test_it_works(orders: Served) -> None:
    request = pb.ListAddonsRequest(**ACME, style="style_789", material="material_123")
    assert orders.call("ListAddons", request) == pb.ListAddonsResponse(
        data=pb.Addons(
            coats=[
                pb.Coat(id="coat_123", name="Anti-Reflective Coating", type="ar"),
                pb.Coat(id="coat_456", name="Hard Coat", type="scratch"),
                pb.Coat(id="coat_789", name="Premium AR", type="ar"),
            ],
            colors=[
                pb.CatalogEntry(id="color_456", name="Clear"),
                pb.CatalogEntry(id="color_123", name="Crystal Gray"),
            ],
            tints=["Gray", "Brown"],
        )
    )


@pytest.mark.parametrize(
    ("style", "material"),
    [("style_789", "material_456"), ("style_456", "material_789"), ("style_123", "x")],
)
def test_a_material_outside_the_style_has_no_addons(
    orders: Served, style: str, material: str
) -> None:
    request = pb.ListAddonsRequest(**ACME, style=style, material=material)
    assert orders.call("ListAddons", request) == pb.ListAddonsResponse(data=pb.Addons())
