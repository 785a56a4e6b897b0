"""Catalogs of real labs: how materials share their rows, and lists of thousands."""

from collections.abc import Callable
from typing import Any

import pytest
from alembic import command

from chassis.store.migrations import build_alembic_config, migrate
from orders_svc import reference
from orders_svc.definition import SERVICE
from orders_svc.reference import REFERENCE
from orders_svc.store import catalogs
from protos import orders_pb2 as pb
from tests.gateway.front import CALLER, front
from tests.orders_svc.bodies import OFFER, Body, put, request
from tests.serving import USERS, Served, get_definition, open_database

NUMBER = {"account_number": "1"}
COATS = ["c1", "c2"]


def build_entries(ids: list[str], **more: Any) -> list[dict[str, Any]]:
    """Entries of a catalog."""
    return [{"id": each, "name": each.upper(), **more} for each in ids]


def load(orders: Served, lab: Body) -> None:
    """Load a further lab of the optician's."""
    labs = [("lab_123", "1234567"), ("lab_456", "7654321"), (lab["id"], "1")]
    user = {
        "email": USERS["client"],
        "account": "demo-client",
        "password": "demo-password",
        "labs": [{"lab": id_, "account_number": number} for id_, number in labs],
    }
    file = {"labs": [{"settings": OFFER.settings, **lab}], "users": [user]}
    with orders.database.write() as tx:
        reference.load(tx, REFERENCE.load(file))
    orders.refresh_cache()


def build_shared(unique: str) -> Body:
    """A lab: m1 and m2 are alike, m3 has other styles, m4 other addons."""
    both: Body = {"colors": ["k"], "coats": COATS, "tints": ["Gray", "Brown"]}
    return {
        "id": unique,
        "name": "Shared",
        "styles": build_entries(["s1", "s2"], lens_type="multifocal"),
        "materials": [
            {"id": "m1", "name": "M1", "styles": ["s1", "s2"], **both},
            {"id": "m2", "name": "M2", "styles": ["s1", "s2"], **both},
            {"id": "m3", "name": "M3", "styles": ["s2"], **both},
            {"id": "m4", "name": "M4", "styles": ["s1", "s2"], **both, "tints": ["Brown", "Gray"]},
        ],
        "colors": build_entries(["k"]),
        "coats": build_entries(COATS, type="ar"),
    }


def test_materials_share_the_rows_of_the_first_that_is_alike(orders: Served, unique: str) -> None:
    load(orders, build_shared(unique))
    rows = orders.rows()
    of_lab = [row[1:] for row in rows["materials"] if row[0] == unique]
    assert of_lab == [
        ("m1", "M1", "m1", "m1", None),
        ("m2", "M2", "m1", "m1", None),
        ("m3", "M3", "m3", "m1", None),
        ("m4", "M4", "m1", "m4", None),
    ]
    pairs = [row[1:] for row in rows["style_materials"] if row[0] == unique]
    assert pairs == [("s1", "m1"), ("s2", "m1"), ("s2", "m3")]
    assert {row[1] for row in rows["addons"] if row[0] == unique} == {"m1", "m4"}


def test_what_shares_rows_is_offered_as_what_does_not(
    orders: Served, order: Body, unique: str
) -> None:
    load(orders, build_shared(unique))
    lab = {"lab": unique, **NUMBER}
    for style, found in (("s1", ["m1", "m2", "m4"]), ("s2", ["m1", "m2", "m3", "m4"])):
        listed = orders.call("ListMaterials", pb.ListMaterialsRequest(**lab, style=style))
        assert [each.id for each in listed.data] == found
    for material, tints in (("m2", ["Gray", "Brown"]), ("m4", ["Brown", "Gray"])):
        asked = pb.ListAddonsRequest(**lab, style="s1", material=material)
        listed = orders.call("ListAddons", asked)
        assert [each.id for each in listed.data.coats] == COATS
        assert list(listed.data.tints) == tints
    outside = pb.ListAddonsRequest(**lab, style="s1", material="m3")
    assert orders.call("ListAddons", outside) == pb.ListAddonsResponse(data=pb.Addons())

    lens = {"style": "s1", "material": "m2", "color": "k", "coats": ["c2"]}
    sent = {**order, **lab, "lens": lens}
    created = orders.call("CreateOrder", request(sent))
    oma = orders.call("GetOrderJob", pb.GetOrderJobRequest(order_id=created.id)).oma
    assert "LNAM=S1 M2;S1 M2\r\n" in oma
    for path, value, fault in (
        ("lens.material", "m3", "lens.material"),
        ("lens.coats", ["c2", "c3"], "lens.coats.1"),
        ("lens.color", "c1", "lens.color"),
    ):
        wrong = {**sent, "lens": dict(lens)}
        put(wrong, path, value)
        failure = orders.refusal("CreateOrder", request(wrong))
        assert [each.path for each in failure.faults] == [fault]


def test_thousands_of_the_longest_names_pass(orders: Served, unique: str) -> None:
    ids = [f"{number:05}-{'s' * 58}" for number in range(2_000)]
    styles = [{"id": each, "name": "👓" * 200, "lens_type": "multifocal"} for each in ids]
    load(orders, {"id": unique, "name": "Large", "styles": styles})
    query = {"lab": unique, **NUMBER, "lens_type": "multifocal"}
    with front(orders=orders.address) as client:
        answer = client.get("/v1/catalogs/styles", query_string=query, headers=CALLER["orders"])
    assert answer.status_code == 200
    assert [each["id"] for each in answer.get_json()["data"]] == ids


def test_a_list_that_is_remembered_follows_a_load(orders: Served, unique: str) -> None:
    asked = pb.ListStylesRequest(lab=unique, **NUMBER, lens_type="multifocal")
    load(orders, build_shared(unique))
    assert [each.id for each in orders.call("ListStyles", asked).data] == ["s1", "s2"]
    only = build_entries(["s9"], lens_type="multifocal")
    load(orders, {**build_shared(unique), "styles": only, "materials": []})
    assert [each.id for each in orders.call("ListStyles", asked).data] == ["s9"]


@pytest.mark.parametrize("engine", ["sqlite", "postgresql"], indirect=True)
def test_the_version_before_has_rows_for_each_material(
    store_url: Callable[[str, str], str], engine: str, unique: str
) -> None:
    database, lab = open_database(store_url("orders", engine)), build_shared(unique)
    with database.write() as tx:
        reference.load(tx, REFERENCE.load({"labs": [{"settings": OFFER.settings, **lab}]}))
    made = build_alembic_config(get_definition("orders").migrations)
    with database.write() as tx:
        made.attributes["connection"] = tx
        command.downgrade(made, "0003")
        pairs = tx.exec_driver_sql("SELECT lab_id, style_id, material_id FROM style_materials")
        of_lab = sorted(tuple(row)[1:] for row in pairs if row[0] == unique)
    assert of_lab == sorted(
        (style, material["id"]) for material in lab["materials"] for style in material["styles"]
    )
    migrate(database, SERVICE.migrations)
    with database.read() as tx:
        for style, found in (("s1", ["m1", "m2", "m4"]), ("s2", ["m1", "m2", "m3", "m4"])):
            assert [row.id for row in catalogs.list_materials(tx, unique, style)] == found
        assert len(catalogs.list_addons(tx, unique, "s2", "m2")) == 5
    database.close()
