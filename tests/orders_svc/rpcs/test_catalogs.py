"""What the RPCs on a lab's settings and catalog have in common, on both engines."""

from typing import Any

import pytest
from grpc import StatusCode

from chassis.errors import Fault
from protos import orders_pb2 as pb
from tests.serving import Served

ACME = {"lab": "lab_123", "account_number": "1234567"}
VISION = {"lab": "lab_456", "account_number": "7654321"}
SECOND_USER: dict[str, Any] = {"user_email": "second@example.com"}
OF_A_LAB = [
    ("GetOrderSettings", pb.GetOrderSettingsRequest, {}),
    ("ListStyles", pb.ListStylesRequest, {"lens_type": "multifocal"}),
    ("ListMaterials", pb.ListMaterialsRequest, {"style": "style_123"}),
    ("ListAddons", pb.ListAddonsRequest, {"style": "style_123", "material": "material_123"}),
]
EACH_OF_A_LAB = pytest.mark.parametrize(("rpc", "kind", "rest"), OF_A_LAB)


@EACH_OF_A_LAB
@pytest.mark.parametrize(
    ("lab", "account_number", "who"),
    [
        ("lab_123", "7654321", {}),
        ("lab_999", "1234567", {}),
        ("lab_123 ", "1234567", {}),
        ("LAB_123", "1234567", {}),
        ("lab_123", "1234567", SECOND_USER),
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
