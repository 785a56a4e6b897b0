"""Rules of an order against what its lab offers."""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from orders_svc.rules.order import RX


@dataclass(frozen=True, slots=True)
class Offer:
    """What a lab offers for one order.

    Besides the settings it holds ids (for tints, words), and only those that the order's lens
    names need be present: `styles` of the lab, `materials` of the lens's style, the others of
    its style and material.
    """

    settings: Mapping[str, Any]
    """The settings of the lab: the six option lists by their names in OrderSettings; where it has
    them, `limits` of its warnings by name, the codes to `confirm`, and `hold_minutes`."""
    styles: Mapping[str, str] = field(default_factory=dict)
    """The lens type of each style."""
    materials: Collection[str] = frozenset()
    colors: Collection[str] = frozenset()
    coats: Mapping[str, str | None] = field(default_factory=dict)
    """The type of each coat, if it has one."""
    tints: Collection[str] = frozenset()
    largest_blank: float | None = None
    """The largest blank of the lens's style in its material, mm, if the catalog has sizes."""
    least_fitting_height: float | None = None
    """The least segment height of the lens's style, mm, if the catalog has it."""


def find_offer_faults(values: Mapping[str, Any], offer: Offer | None) -> list[tuple[str, str]]:
    """Return the path of each value that the lab does not offer, with what is allowed.

    `values` is an order or the valid part of one: absent values are not checked.
    No offer means that the user has no such lab under this account number.
    """
    if offer is None:
        if "lab" in values and "account_number" in values:
            return [("lab", "Must be one of your labs, with its account_number.")]
        return []
    return [
        *_find_settings_faults(values, offer.settings),
        *_find_lens_faults(values.get("lens", {}), offer),
    ]


def _find_settings_faults(
    values: Mapping[str, Any], settings: Mapping[str, Any]
) -> Iterator[tuple[str, str]]:
    chosen = [
        ("order_type", values.get("order_type"), "order_types"),
        ("mounting_option", values.get("mounting_option"), "mounting_options"),
        ("frame.handling", values.get("frame", {}).get("handling"), "frame_handling_options"),
        *((f"services.{i}", each, "services") for i, each in enumerate(values.get("services", ()))),
        ("redo_data.type", values.get("redo_data", {}).get("type"), "redo_types"),
    ]
    for path, word, name in chosen:
        if word is None or word in settings[name] or (path, word) == ("order_type", RX):
            continue
        yield path, f"Must be one of the lab's {name}: {', '.join(settings[name]) or '(none)'}."


def _find_lens_faults(lens: Mapping[str, Any], offer: Offer) -> Iterator[tuple[str, str]]:
    if "style" not in lens:
        return
    if lens["style"] not in offer.styles:
        yield "lens.style", "Must be the id of one of the lab's styles."
        return
    if "material" not in lens:
        return
    if lens["material"] not in offer.materials:
        yield "lens.material", "Must be the id of a material of the style."
        return
    if "color" in lens and lens["color"] not in offer.colors:
        yield "lens.color", "Must be the id of a color of the style and material."
    for index, coat in enumerate(lens.get("coats", ())):
        if coat not in offer.coats:
            yield f"lens.coats.{index}", "Must be the id of a coat of the style and material."
    if "tint" in lens and lens["tint"] not in offer.tints:
        yield "lens.tint", "Must be a tint of the style and material."
