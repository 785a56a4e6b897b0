"""DeleteLensPackage: a user's own is deleted, on both engines."""

import pytest
from grpc import StatusCode

from protos import orders_pb2 as pb
from tests.orders_svc.bodies import Body
from tests.orders_svc.life import add_lab
from tests.orders_svc.rpcs.test_create_lens_package import list_packages, save
from tests.orders_svc.rpcs.test_get_order import SECOND_USER
from tests.serving import Served


def test_it_works(orders: Served, order: Body, unique: str) -> None:
    mine = add_lab(orders, unique, 0)
    first, second = (save(orders, order, mine, name) for name in ("A", "B"))
    asked = pb.DeleteLensPackageRequest(package_id=first.id)
    for other in (SECOND_USER, {"who": "other"}):
        assert orders.refusal("DeleteLensPackage", asked, **other).code is StatusCode.NOT_FOUND
    orders.call("DeleteLensPackage", asked)
    assert list_packages(orders, mine) == [second]
    assert orders.refusal("DeleteLensPackage", asked).code is StatusCode.NOT_FOUND


@pytest.mark.parametrize("package_id", ["", " ", "\0", "pkg_", "pkg_" + "0" * 24, "é", "x" * 9999])
def test_an_unknown_package_is_not_found(orders: Served, package_id: str) -> None:
    asked = pb.DeleteLensPackageRequest(package_id=package_id)
    failure = orders.refusal("DeleteLensPackage", asked)
    assert failure.code is StatusCode.NOT_FOUND
    assert failure.message == "You have no such lens package."
