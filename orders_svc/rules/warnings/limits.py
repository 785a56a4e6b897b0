"""The limits beyond which an order is odd. A lab may have its own in its settings.

docs/reference/warnings.md has the source of each default.
"""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any


@dataclass(frozen=True)
class Limits:
    """Dioptres for powers, prism dioptres for prisms, millimetres for the rest."""

    sphere: float = 10.0
    cylinder: float = 4.0
    anisometropia: float = 2.0
    antimetropia: float = 1.0
    vertex_power: float = 4.0
    prism: float = 5.0
    vertical_prism: float = 5.0
    vertical_imbalance: float = 1.0
    reading_drop: float = 10.0
    binocular_pd: float = 45.0
    pd_difference: float = 4.0
    least_pd_total: float = 45.0
    most_pd_total: float = 80.0
    frame_pd_excess: float = 8.0
    decentration: float = 3.0
    blank_allowance: float = 2.0
    tracing: float = 1.0


LIMIT_NAMES = tuple(each.name for each in fields(Limits))
_DEFAULTS = Limits()


def read_limits(settings: Mapping[str, Any]) -> Limits:
    """Return the limits of a lab: its own, and the defaults for the others."""
    own = settings.get("limits")
    return Limits(**own) if own else _DEFAULTS
