"""The labs of a user, their settings and their catalogs, directly over gRPC on both engines."""

from typing import Any

import pytest
from grpc import StatusCode

from chassis.errors import Fault
from protos import orders_pb2 as pb
from tests.serving import Served

ACME = {"lab": "lab_123", "account_number": "1234567"}
VISION = {"lab": "lab_456", "account_number": "7654321"}
SECOND: dict[str, Any] = {"user_email": "second@example.com"}
SETTINGS = {
    "frame_handling_options": ["Frame to Come", "Lenses Only"],
    "frame_materials": ["Metal", "Zyl"],
    "mounting_options": ["Edged & Mount", "Uncuts Only"],
    "order_types": ["rx", "frame"],
    "redo_types": ["Remake", "Warranty"],
    "services": ["Roll & Polish Edges", "Add/Replace Nose Pads"],
}
OF_A_LAB = [
    ("GetOrderSettings", pb.GetOrderSettingsRequest, {}),
    ("ListStyles", pb.ListStylesRequest, {"lens_type": "multifocal"}),
    ("ListMaterials", pb.ListMaterialsRequest, {"style": "style_123"}),
    ("ListAddons", pb.ListAddonsRequest, {"style": "style_123", "material": "material_123"}),
]
EACH_OF_A_LAB = pytest.mark.parametrize(("rpc", "kind", "rest"), OF_A_LAB)


def test_it_works(orders: Served) -> None:
    acme = pb.Lab(id="lab_123", name="Acme Lab", account_number="1234567")
    vision = pb.Lab(id="lab_456", name="VisionWorks Lab", account_number="7654321")
    request = pb.ListLabsRequest()
    assert orders.call("ListLabs", request) == pb.ListLabsResponse(data=[acme, vision])
    assert orders.call("ListLabs", request, **SECOND) == pb.ListLabsResponse(data=[vision])
    assert orders.call("ListLabs", request, "other") == pb.ListLabsResponse()


def test_a_lab_has_settings(orders: Served) -> None:
    for lab in (ACME, VISION):
        request = pb.GetOrderSettingsRequest(**lab)
        assert orders.call("GetOrderSettings", request) == pb.OrderSettings(**SETTINGS)


@pytest.mark.parametrize(
    ("lab", "lens_type", "found"),
    [
        (ACME, "single_vision", [("style_123", "Single Vision")]),
        (ACME, "multifocal", [("style_789", "Progressive")]),
        (VISION, "single_vision", [("style_456", "Single Vision")]),
        (VISION, "multifocal", []),
    ],
)
def test_a_lab_has_styles_of_a_lens_type(
    orders: Served, lab: dict[str, str], lens_type: str, found: Any
) -> None:
    styles = [pb.CatalogEntry(id=id_, name=name) for id_, name in found]
    request = pb.ListStylesRequest(**lab, lens_type=lens_type)
    assert orders.call("ListStyles", request) == pb.ListStylesResponse(data=styles)


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
def test_a_style_has_materials_in_order_of_name(
    orders: Served, lab: dict[str, str], style: str, found: Any
) -> None:
    materials = [pb.CatalogEntry(id=id_, name=name) for id_, name in found]
    request = pb.ListMaterialsRequest(**lab, style=style)
    assert orders.call("ListMaterials", request) == pb.ListMaterialsResponse(data=materials)


def test_a_style_in_a_material_has_addons(orders: Served) -> None:
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


@EACH_OF_A_LAB
@pytest.mark.parametrize(
    ("lab", "account_number", "who"),
    [
        ("lab_123", "7654321", {}),
        ("lab_999", "1234567", {}),
        ("lab_123 ", "1234567", {}),
        ("LAB_123", "1234567", {}),
        ("lab_123", "1234567", SECOND),
        ("lab_123", "1234567", {"who": "other"}),
        ("x" * 1000, "é", {}),
    ],
)
def test_a_lab_of_somebody_else_does_not_exist(
    orders: Served, rpc: str, kind: Any, rest: Any, lab: str, account_number: str, who: Any
) -> None:
    request = kind(lab=lab, account_number=account_number, **rest)
    failure = orders.refusal(rpc, request, **who)
    assert (failure.code, failure.reason) == (StatusCode.NOT_FOUND, "NOT_FOUND")
    assert failure.message == "You have no such lab with this account number."


@EACH_OF_A_LAB
def test_each_parameter_is_required(orders: Served, rpc: str, kind: Any, rest: Any) -> None:
    failure = orders.refusal(rpc, kind())
    missing = "Missing data for required field."
    assert failure.code is StatusCode.INVALID_ARGUMENT
    assert set(failure.faults) == {Fault(name, missing) for name in (*ACME, *rest)}
    for name in (*ACME, *rest):
        failure = orders.refusal(rpc, kind(**{**ACME, **rest, name: "\0"}))
        assert Fault(name, "Control characters are not allowed.") in failure.faults
