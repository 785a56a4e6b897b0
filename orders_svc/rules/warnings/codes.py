"""The warnings of an order: their codes, which stay as they are, and their form.

docs/reference/warnings.md describes each of them.
"""

from collections.abc import Mapping
from enum import StrEnum
from typing import Any, NamedTuple


class Code(StrEnum):
    """What is odd; clients and labs may rely on these words."""

    POWER_OFF_STEP = "power_off_step"
    SPHERE_UNUSUAL = "sphere_unusual"
    CYLINDER_UNUSUAL = "cylinder_unusual"
    CYLINDER_SIGNS = "cylinder_signs"
    PLANO = "plano"
    EYE_MISSING = "eye_missing"
    ANISOMETROPIA = "anisometropia"
    ANTIMETROPIA = "antimetropia"
    VERTICAL_IMBALANCE = "vertical_imbalance"
    VERTEX_MISSING = "vertex_missing"
    PRISM_UNUSUAL = "prism_unusual"
    PRISM_YOKED = "prism_yoked"
    PRISM_VERTICAL = "prism_vertical"
    PD_MISSING = "pd_missing"
    PD_BINOCULAR = "pd_binocular"
    PD_ASYMMETRY = "pd_asymmetry"
    PD_TOTAL = "pd_total"
    NEAR_PD_ABOVE_PD = "near_pd_above_pd"
    ADD_ON_SINGLE_VISION = "add_on_single_vision"
    SEG_HEIGHT_ON_SINGLE_VISION = "seg_height_on_single_vision"
    ADD_MISSING = "add_missing"
    ADDS_DIFFER = "adds_differ"
    SEG_HEIGHT_BELOW_STYLE = "seg_height_below_style"
    HEIGHT_ABOVE_FRAME = "height_above_frame"
    FRAME_PD_BELOW_PD = "frame_pd_below_pd"
    FRAME_PD_ABOVE_PD = "frame_pd_above_pd"
    DECENTRATION = "decentration"
    BLANK_TOO_SMALL = "blank_too_small"
    COAT_TYPE_TWICE = "coat_type_twice"
    TRACING_REMARK = "tracing_remark"
    TRACING_CONFLICT = "tracing_conflict"
    TRACING_LACKS_EYE = "tracing_lacks_eye"
    TRACING_UNMIRRORED = "tracing_unmirrored"


CODES = tuple(each.value for each in Code)


class OrderWarning(NamedTuple):
    """One oddity: the path of its field, its code, a sentence, and the figures of that.

    Figures are `value` (what was computed), `other` (what it is compared with) and `limit`; a
    power or distance of the rx is never repeated.
    """

    param: str
    code: Code
    message: str
    figures: Mapping[str, float] = {}

    def to_document(self, confirm: frozenset[str] = frozenset()) -> dict[str, Any]:
        """Return it as it is stored and answered."""
        document: dict[str, Any] = {
            "param": self.param,
            "message": self.message,
            "code": self.code.value,
        }
        if self.figures:
            document["figures"] = {name: round(each, 3) for name, each in self.figures.items()}
        if self.code in confirm:
            document["confirm"] = True
        return document
