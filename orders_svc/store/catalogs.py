"""Labs and their catalogs: styles, materials and addons."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from sqlalchemy import (
    Connection,
    Table,
    bindparam,
    delete,
    insert,
    literal,
    null,
    select,
    union_all,
)

from chassis.store.database import upsert
from orders_svc.store.tables import addons, labs, materials, style_materials, styles

# Children first: the order in which a catalog is deleted.
CATALOG_TABLES = (addons, style_materials, materials, styles)
# The kind of each part of a lens, as `find_lens_parts` groups them.
PART_KINDS = ("style", "material", "color", "coat", "tint")

_PUT_LAB = upsert(labs, ["name", "settings"])
_FIND_LAB = select(labs.c.id).where(labs.c.id == bindparam("lab_id"))
_STYLES = (
    select(styles.c.id, styles.c.name)
    .where(styles.c.lab_id == bindparam("lab_id"), styles.c.lens_type == bindparam("lens_type"))
    .order_by(styles.c.name, styles.c.id)
)
_OF_STYLE = (
    style_materials.c.lab_id == bindparam("lab_id"),
    style_materials.c.style_id == bindparam("style_id"),
    materials.c.lab_id == style_materials.c.lab_id,
    materials.c.styles_of == style_materials.c.material_id,
)
# By IN: otherwise SQLite would scan all materials of the lab.
_MATERIALS = (
    select(materials.c.id, materials.c.name)
    .where(
        materials.c.lab_id == bindparam("lab_id"),
        materials.c.styles_of.in_(
            select(style_materials.c.material_id).where(
                style_materials.c.lab_id == bindparam("lab_id"),
                style_materials.c.style_id == bindparam("style_id"),
            )
        ),
    )
    .order_by(materials.c.name, materials.c.id)
)
_CHAIN = (*_OF_STYLE, materials.c.id == bindparam("material_id"))
_OF_MATERIAL = (
    *_CHAIN,
    addons.c.lab_id == materials.c.lab_id,
    addons.c.material_id == materials.c.addons_of,
)
_NAMES = union_all(
    select(literal("lab"), labs.c.id, labs.c.name).where(labs.c.id == bindparam("lab_id")),
    select(literal("style"), styles.c.id, styles.c.name).where(
        styles.c.lab_id == bindparam("lab_id"), styles.c.id == bindparam("style_id")
    ),
    select(literal("material"), materials.c.id, materials.c.name).where(
        materials.c.lab_id == bindparam("lab_id"), materials.c.id == bindparam("material_id")
    ),
    select(addons.c.kind, addons.c.id, addons.c.name).where(
        materials.c.lab_id == bindparam("lab_id"),
        materials.c.id == bindparam("material_id"),
        addons.c.lab_id == materials.c.lab_id,
        addons.c.material_id == materials.c.addons_of,
        addons.c.kind.in_(("coat", "color")),
        addons.c.id.in_(bindparam("addon_ids", expanding=True)),
    ),
)
_ADDONS = (
    select(addons.c.kind, addons.c.id, addons.c.name, addons.c.type)
    .where(*_OF_MATERIAL)
    .order_by(addons.c.kind, addons.c.name, addons.c.id)
)
_LENS_PARTS = union_all(
    select(
        literal("style"),
        styles.c.id,
        styles.c.lens_type,
        styles.c.blank_sizes,
        styles.c.least_fitting_height,
    ).where(styles.c.lab_id == bindparam("lab_id"), styles.c.id == bindparam("style_id")),
    select(literal("material"), materials.c.id, null(), materials.c.blank_sizes, null()).where(
        *_CHAIN
    ),
    # Naming the kinds lets the whole primary key find each addon.
    select(addons.c.kind, addons.c.id, addons.c.type, null(), null()).where(
        *_OF_MATERIAL,
        addons.c.kind.in_(("coat", "color", "tint")),
        addons.c.id.in_(bindparam("addon_ids", expanding=True)),
    ),
)


class LensIds(NamedTuple):
    """The ids that a lens names in one lab's catalog."""

    lab_id: str
    style_id: str
    material_id: str
    addon_ids: tuple[str, ...]

    @classmethod
    def of(cls, lab_id: str, lens: Mapping[str, Any]) -> "LensIds":
        """Return the ids in the lens of an order, or in the valid part of one."""
        addon_ids = (lens.get("color", ""), lens.get("tint", ""), *lens.get("coats", ()))
        return cls(lab_id, lens.get("style", ""), lens.get("material", ""), addon_ids)


def list_lab_ids(tx: Connection) -> set[str]:
    """Return the id of every lab."""
    return set(tx.execute(select(labs.c.id)).scalars())


def has_lab(tx: Connection, lab_id: str) -> bool:
    """Return whether there is such a lab."""
    return tx.execute(_FIND_LAB, {"lab_id": lab_id}).first() is not None


def list_styles(tx: Connection, lab_id: str, lens_type: str) -> Sequence[Any]:
    """Return id and name of each style of a lens type."""
    return tx.execute(_STYLES, {"lab_id": lab_id, "lens_type": lens_type}).all()


def list_materials(tx: Connection, lab_id: str, style_id: str) -> Sequence[Any]:
    """Return id and name of each material of a style."""
    return tx.execute(_MATERIALS, {"lab_id": lab_id, "style_id": style_id}).all()


def list_addons(tx: Connection, lab_id: str, style_id: str, material_id: str) -> Sequence[Any]:
    """Return kind, id, name and type of each addon of a style in a material."""
    key = {"lab_id": lab_id, "style_id": style_id, "material_id": material_id}
    return tx.execute(_ADDONS, key).all()


def find_names(tx: Connection, lab_id: str, lens: Mapping[str, Any]) -> dict[tuple[str, str], str]:
    """Return the names of a lab and of a lens's parts by kind and id, as far as they exist."""
    rows = tx.execute(_NAMES, LensIds.of(lab_id, lens)._asdict())
    return {(kind, id_): name for kind, id_, name in rows}


def find_lens_parts(tx: Connection, lens: LensIds) -> dict[str, Any]:
    """Return which styles, materials, colors, coats and tints of a lens exist as one chain.

    A style maps to its lens type, a coat to its type, anything else to None. `largest_blank` is
    made in the style and in the material, as far as each says its sizes.
    """
    parts: dict[str, Any] = {f"{kind}s": {} for kind in PART_KINDS}
    largest: list[float] = []
    for kind, id_, type_, blank_sizes, height in tx.execute(_LENS_PARTS, lens._asdict()):
        parts[f"{kind}s"][id_] = type_
        if blank_sizes:
            largest.append(max(blank_sizes))
        if height is not None:
            parts["least_fitting_height"] = height
    if largest:
        parts["largest_blank"] = min(largest)
    return parts


def put_lab(tx: Connection, lab_id: str, name: str, settings: Mapping[str, Any]) -> None:
    """Add a lab, or change its name and settings."""
    tx.execute(_PUT_LAB, {"id": lab_id, "name": name, "settings": settings})


def replace_catalog(
    tx: Connection, lab_id: str, rows: Mapping[Table, Sequence[Mapping[str, Any]]]
) -> None:
    """Replace a lab's catalog by the rows given for each table; `lab_id` is added to them."""
    for table in CATALOG_TABLES:
        tx.execute(delete(table).where(table.c.lab_id == lab_id))
    for table in reversed(CATALOG_TABLES):
        if rows.get(table):
            tx.execute(insert(table), [{"lab_id": lab_id, **row} for row in rows[table]])
