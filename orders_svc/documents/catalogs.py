"""Labs and catalogs as messages."""

from collections.abc import Iterable
from typing import Any

from sqlalchemy import Connection, Row

from orders_svc.store import catalogs
from protos import orders_pb2 as pb


def build_labs(rows: Iterable[Row[Any]]) -> list[pb.Lab]:
    """Return the labs of a user."""
    return [pb.Lab(**row._mapping) for row in rows]


def build_styles(tx: Connection, lab_id: str, lens_type: str) -> pb.ListStylesResponse:
    """Return a lab's styles of a lens type."""
    return pb.ListStylesResponse(data=build_entries(catalogs.list_styles(tx, lab_id, lens_type)))


def build_entries(rows: Iterable[Row[Any]]) -> list[pb.CatalogEntry]:
    """Return styles or materials."""
    return [pb.CatalogEntry(**row._mapping) for row in rows]


def build_addons(rows: Iterable[Row[Any]]) -> pb.Addons:
    """Return addons by their kind."""
    addons = pb.Addons()
    for row in rows:
        if row.kind == "coat":
            addons.coats.add(id=row.id, name=row.name, type=row.type)
        elif row.kind == "color":
            addons.colors.add(id=row.id, name=row.name)
        else:
            addons.tints.append(row.id)
    return addons
