"""Rules of the requests for a lab's settings and catalog, and of how a catalog shares rows."""

from collections.abc import Mapping, Sequence
from typing import Any

from marshmallow import Schema, fields

from optics.fields import check_not_blank, one_of

LENS_TYPES = ("single_vision", "multifocal")
# The option lists in the settings of a lab, by their names in OrderSettings.
OPTION_LISTS = (
    "frame_handling_options",
    "frame_materials",
    "mounting_options",
    "order_types",
    "redo_types",
    "services",
)


class GetOrderSettingsRequestSchema(Schema):
    """A lab under one of the user's account numbers."""

    lab = fields.String(required=True, validate=check_not_blank)
    account_number = fields.String(required=True, validate=check_not_blank)


class ListStylesRequestSchema(GetOrderSettingsRequestSchema):
    """A lab's styles of one lens type."""

    lens_type = fields.String(required=True, validate=one_of(*LENS_TYPES))


class ListMaterialsRequestSchema(GetOrderSettingsRequestSchema):
    """The materials of a style."""

    style = fields.String(required=True, validate=check_not_blank)


class ListAddonsRequestSchema(ListMaterialsRequestSchema):
    """The addons of a style in a material."""

    material = fields.String(required=True, validate=check_not_blank)


GET_ORDER_SETTINGS_REQUEST = GetOrderSettingsRequestSchema()
LIST_STYLES_REQUEST = ListStylesRequestSchema()
LIST_MATERIALS_REQUEST = ListMaterialsRequestSchema()
LIST_ADDONS_REQUEST = ListAddonsRequestSchema()

Values = list[dict[str, Any]]


def share_materials(materials: Sequence[Mapping[str, Any]]) -> Values:
    """Return materials with the ids of those whose styles and addons they share."""
    styles_of = _find_first(materials, "styles")
    addons_of = _find_first(materials, "colors", "coats", "tints")
    return [
        {
            "id": each["id"],
            "name": each["name"],
            "blank_sizes": each["blank_sizes"],
            "styles_of": styles_of[each["id"]],
            "addons_of": addons_of[each["id"]],
        }
        for each in materials
    ]


def link_styles(materials: Sequence[Mapping[str, Any]]) -> Values:
    """Return the pairs of style and material, without those that are shared."""
    styles_of = _find_first(materials, "styles")
    return [
        {"style_id": style, "material_id": material["id"]}
        for material in materials
        if styles_of[material["id"]] == material["id"]
        for style in material["styles"]
    ]


def list_addons(lab: Mapping[str, Any]) -> Values:
    """Return the addons of a lab's materials, without those that are shared."""
    firsts = set(_find_first(lab["materials"], "colors", "coats", "tints").values())
    colors = {each["id"]: each for each in lab["colors"]}
    coats = {each["id"]: each for each in lab["coats"]}
    addons: Values = []
    for material in lab["materials"]:
        if material["id"] not in firsts:
            continue
        of = {"material_id": material["id"]}
        addons += [
            {"type": None, **colors[id_], **of, "kind": "color"} for id_ in material["colors"]
        ]
        addons += [{**coats[id_], **of, "kind": "coat"} for id_ in material["coats"]]
        addons += [
            {"id": tint, "name": f"{position:04}", "type": None, **of, "kind": "tint"}
            for position, tint in enumerate(material["tints"])
        ]
    return addons


def _find_first(materials: Sequence[Mapping[str, Any]], *lists: str) -> dict[str, str]:
    """Return for each material the first one with the same lists: itself or an earlier one."""
    first: dict[Any, str] = {}
    return {
        each["id"]: first.setdefault(tuple(tuple(each[name]) for name in lists), each["id"])
        for each in materials
    }
