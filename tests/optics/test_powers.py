"""The arithmetic of lenses, on published examples."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from optics.powers import LEFT_EYE, RIGHT_EYE, Power, Prism, power_of, resultant

# laramyk.com, "Transposing prescriptions"; ophthalmiclenses.blogspot.com, 2011-07-31;
# eyeandcontacts.com, 2021-12; open-exam-prep.com, ABO-AC study guide, 3.1.
TRANSPOSED = [
    ("-3.00 +2.00 x 30", "-1.00 -2.00 x 120"),
    ("-3.00 -2.00 x 30", "-5.00 +2.00 x 120"),
    ("+2.50 -1.50 x 170", "+1.00 +1.50 x 80"),
    ("-1.75 -1.25 x 60", "-3.00 +1.25 x 150"),
    ("+1.75 -3.25 x 40", "-1.50 +3.25 x 130"),
    ("+3.00 -1.50 x 90", "+1.50 +1.50 x 180"),
]
EIGHTHS = st.integers(-240, 240).map(lambda eighths: eighths / 8)


def build_power(text: str) -> Power:
    """Return a power from its written form."""
    sphere, cylinder, _, axis = text.split()
    return Power(float(sphere), float(cylinder), int(axis))


@pytest.mark.parametrize(("one", "other"), TRANSPOSED)
def test_it_works(one: str, other: str) -> None:
    assert build_power(one).transposed == build_power(other)
    assert build_power(other).transposed == build_power(one)


def test_the_minus_and_the_plus_form() -> None:
    minus, plus = build_power("-1.00 -2.00 x 120"), build_power("-3.00 +2.00 x 30")
    assert (minus.minus, plus.minus) == (minus, minus)
    assert (minus.plus, plus.plus) == (plus, plus)


@pytest.mark.parametrize(("axis", "other"), [(1, 91), (90, 180), (91, 1), (180, 90)])
def test_an_axis_stays_from_1_to_180(axis: int, other: int) -> None:
    assert Power(0, 1, axis).transposed.axis == other


def test_a_sphere_has_no_other_form() -> None:
    for sphere in (Power(-2.25), Power(0), Power(1.5, 0.0, 90)):
        assert sphere.transposed == sphere


@given(EIGHTHS, EIGHTHS, st.integers(1, 180))
def test_transposing_twice_restores_the_power_and_keeps_the_equivalent(
    sphere: float, cylinder: float, axis: int
) -> None:
    one = Power(sphere, cylinder, axis)
    assert one.transposed.transposed == one
    assert one.transposed.spherical_equivalent == one.spherical_equivalent


def test_sums_have_no_dust_of_binary_fractions() -> None:
    assert Power(0.1, 0.2, 5).transposed.sphere == 0.3


def test_the_spherical_equivalent() -> None:
    """open-exam-prep.com, ABO-AC study guide, 3.1: +3.00 -1.50 x 090 has +2.25."""
    assert build_power("+3.00 -1.50 x 90").spherical_equivalent == 2.25


def build_prism(power: float, direction: str) -> dict[str, object]:
    """A prism of an order."""
    return {"power": power, "direction": direction}


def test_the_resultant_prism() -> None:
    """open-exam-prep.com, ABO-AC study guide, 3.1: 3 base up with 4 base out is 5 at 36.9."""
    eye = {"horizontal_prism": build_prism(4, "out"), "vertical_prism": build_prism(3, "up")}
    assert resultant(eye, LEFT_EYE) == Prism(5, 36.9)
    assert resultant(eye, RIGHT_EYE) == Prism(5, 143.1)


@pytest.mark.parametrize(
    ("which", "name", "direction", "base"),
    [
        (RIGHT_EYE, "horizontal", "in", 0),
        (RIGHT_EYE, "horizontal", "out", 180),
        (LEFT_EYE, "horizontal", "in", 180),
        (LEFT_EYE, "horizontal", "out", 0),
        (RIGHT_EYE, "vertical", "up", 90),
        (LEFT_EYE, "vertical", "up", 90),
        (RIGHT_EYE, "vertical", "down", 270),
        (LEFT_EYE, "vertical", "down", 270),
    ],
)
def test_the_base_setting_of_one_prism(which: str, name: str, direction: str, base: float) -> None:
    assert resultant({f"{name}_prism": build_prism(1.5, direction)}, which) == Prism(1.5, base)


def test_without_prisms_there_is_no_resultant() -> None:
    assert resultant({"sphere": 1}, RIGHT_EYE) is None


def test_the_power_of_an_eye() -> None:
    assert power_of({"sphere": -2.0}) == Power(-2, 0, None)
    assert power_of({"sphere": 0.0, "cylinder": -0.5, "axis": 7}) == Power(0, -0.5, 7)
