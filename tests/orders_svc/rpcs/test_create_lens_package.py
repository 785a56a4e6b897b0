"""CreateLensPackage and ListLensPackages: a user's saved lenses for a lab, on both engines."""

from datetime import UTC, datetime
from typing import Any

import pytest
from grpc import StatusCode

from orders_svc.store.lens_packages import MAX_PACKAGES
from protos import orders_pb2 as pb
from tests.orders_svc.bodies import LAB, Body
from tests.orders_svc.life import add_lab
from tests.orders_svc.rpcs.test_get_order import SECOND_USER, VISION
from tests.orders_svc.rpcs.test_one_key_at_once import act_at_once, metadata
from tests.serving import Served

MOMENT = datetime(2026, 3, 1, 12, tzinfo=UTC)


@pytest.fixture
def mine(orders: Served, unique: str) -> Body:
    """A lab of the optician without packages."""
    return add_lab(orders, unique, 0)


def ask(
    order: Body, where: Body, name: str = "Usual", **fields: Any
) -> pb.CreateLensPackageRequest:
    """A request to save the lens of an order."""
    fields = {"lens": pb.Lens(**order["lens"]), **fields}
    return pb.CreateLensPackageRequest(**where, name=name, **fields)


def save(orders: Served, *of: Any, **fields: Any) -> pb.LensPackage:
    """A saved package."""
    package: pb.LensPackage = orders.call("CreateLensPackage", ask(*of, **fields))
    return package


def list_packages(orders: Served, where: Body, **who: Any) -> list[pb.LensPackage]:
    """The packages of a user for a lab."""
    return list(orders.call("ListLensPackages", pb.ListLensPackagesRequest(**where), **who).data)


def test_it_works(orders: Served, order: Body, mine: Body) -> None:
    assert list_packages(orders, mine) == []
    more: Body = {"description": "Für Zoë 👓", "services": ["Roll & Polish Edges"]}
    with orders.clock.at(MOMENT):
        second = save(orders, order, mine, "Usual", **more)
        first = save(orders, order, mine, "Another")
    assert second == pb.LensPackage(
        id=second.id,
        lab=mine["lab"],
        account_number=mine["account_number"],
        name="Usual",
        lens=pb.Lens(**order["lens"]),
        created=int(MOMENT.timestamp()),
        **more,
    )
    assert second.id.startswith("pkg_")
    assert list_packages(orders, mine) == [first, second]


def test_packages_are_those_of_one_user(orders: Served, order: Body) -> None:
    where = {name: VISION[name] for name in ("lab", "account_number")}
    saved = save(orders, {"lens": VISION["lens"]}, where)
    assert saved in list_packages(orders, where)
    assert list_packages(orders, where, **SECOND_USER) == []
    failure = orders.refusal("ListLensPackages", pb.ListLensPackagesRequest(**LAB), **SECOND_USER)
    assert failure.code is StatusCode.NOT_FOUND


@pytest.mark.parametrize(
    ("fields", "path"),
    [
        ({"name": " "}, "name"),
        ({"name": "x" * 51}, "name"),
        ({"description": "x" * 251}, "description"),
        ({"lens": None}, "lens"),
        ({"lens": pb.Lens(style="style_789")}, "lens.material"),
        (
            {"lens": pb.Lens(style="x", material="material_123", color="color_123")},
            "lens.style",
        ),
        ({"services": ["Something"]}, "services.0"),
        ({"lab": "lab_456"}, "lab"),
    ],
)
def test_what_no_order_could_have_is_refused(
    orders: Served, order: Body, fields: Any, path: str
) -> None:
    before = orders.rows()
    fields = dict(fields)
    where = {**LAB, **({"lab": fields.pop("lab")} if "lab" in fields else {})}
    failure = orders.refusal("CreateLensPackage", ask(order, where, **fields))
    assert failure.code is StatusCode.INVALID_ARGUMENT
    assert failure.faults[0].path == path
    assert orders.rows() == before


def test_a_name_is_taken_once(orders: Served, order: Body, mine: Body, unique: str) -> None:
    save(orders, order, mine)
    failure = orders.refusal("CreateLensPackage", ask(order, mine))
    assert (failure.code, failure.reason) == (StatusCode.ALREADY_EXISTS, "ALREADY_EXISTS")
    assert [fault.path for fault in failure.faults] == ["name"]
    assert len(list_packages(orders, mine)) == 1


def test_a_user_has_a_hundred_at_most(orders: Served, order: Body, mine: Body, unique: str) -> None:
    for number in range(MAX_PACKAGES - 2):
        save(orders, order, mine, f"Package {number}")

    def act(stub: Any, number: int) -> str:
        try:
            asked = ask(order, mine, f"At once {number}")
            stub.CreateLensPackage(asked, metadata=metadata(f"{unique}-{number}"), timeout=10)
        except Exception:  # noqa: BLE001 - whatever the refusal, it is not saved
            return "refused"
        return "saved"

    assert act_at_once(orders, act).count("saved") == 2
    failure = orders.refusal("CreateLensPackage", ask(order, mine, "One more"))
    assert failure.code is StatusCode.INVALID_ARGUMENT
    assert len(list_packages(orders, mine)) == MAX_PACKAGES


def test_a_key_saves_once(orders: Served, order: Body, mine: Body, unique: str) -> None:
    asked = ask(order, mine)
    first = orders.call("CreateLensPackage", asked, idempotency_key=unique)
    assert orders.call("CreateLensPackage", asked, idempotency_key=unique) == first
    assert list_packages(orders, mine) == [first]
