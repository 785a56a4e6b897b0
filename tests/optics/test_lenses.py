"""How lenses fit frame and wearer, on published examples and computed vectors."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from optics.lenses import (
    estimate_least_blank,
    find_decentration,
    find_largest_difference,
    find_least_blank,
    find_reading_imbalance,
    has_opposite_signs,
    shift_vertex,
)
from optics.powers import LEFT_EYE, RIGHT_EYE, Power

# A shape of 50 x 34 mm with an ED of 50, of 20 points; the bridge is 18.
RADII = [25.00, 24.94, 22.87, 19.85, 17.74, 17.00, 17.74, 19.85, 22.87, 24.94] * 2
POINTS = [
    (radius * math.cos(math.tau * at / 20), radius * math.sin(math.tau * at / 20))
    for at, radius in enumerate(RADII)
]
POWERS = st.builds(
    Power,
    st.integers(-80, 80).map(lambda eighths: eighths / 8),
    st.integers(-32, 32).map(lambda eighths: eighths / 8),
    st.integers(1, 180),
)


@pytest.mark.parametrize(
    ("pd", "height", "exact", "rule"),
    [(31, 17, 56.0, 58), (31, 20, 57.57, 58), (29, 22, 62.81, 62), (34, 17, 50.0, 52)],
)
@pytest.mark.parametrize("which", [RIGHT_EYE, LEFT_EYE])
def test_it_works(pd: float, height: float, exact: float, rule: float, which: str) -> None:
    decentration = find_decentration(50, 18, pd)
    least = find_least_blank(POINTS, decentration, height - 17, which, allowance=0)
    assert least == pytest.approx(exact, abs=0.011)
    assert estimate_least_blank(50, decentration) == rule


def test_the_nose_is_on_the_other_side_of_the_other_lens() -> None:
    lopsided = [(-20.0, 0.0), (30.0, 0.0)]
    assert find_least_blank(lopsided, 3, 0, RIGHT_EYE, allowance=0) == 54
    assert find_least_blank(lopsided, 3, 0, LEFT_EYE, allowance=0) == 66


def test_decentration_has_a_direction() -> None:
    assert find_decentration(50, 18, 31) == 3
    assert find_decentration(50, 18, 36.5) == -2.5
    assert find_decentration(50.1, 18.1, 31) == 3.1


@pytest.mark.parametrize(
    ("power", "worn"),
    [(-4, -3.82), (-6, -5.60), (-10, -8.93), (4, 4.20), (6, 6.47), (10, 11.36)],
)
def test_a_power_at_the_cornea(power: float, worn: float) -> None:
    assert shift_vertex(power, 12) == pytest.approx(worn, abs=0.005)


@pytest.mark.parametrize(
    ("one", "other", "difference"),
    [
        (Power(2.5), Power(-2.75), 5.25),
        (Power(-2, -1, 90), Power(-2), 1),
        (Power(-2, -1, 90), Power(-2, -1, 180), 1),
        (Power(-2, -1, 90), Power(-2, -1, 90), 0),
        (Power(-1.12), Power(0.13), 1.25),
    ],
)
def test_the_largest_difference(one: Power, other: Power, difference: float) -> None:
    assert find_largest_difference(one, other) == difference
    assert find_largest_difference(other, one) == difference


@given(POWERS, POWERS)
def test_no_meridian_differs_more_than_the_largest(one: Power, other: Power) -> None:
    largest = find_largest_difference(one, other)
    found = max(abs(one.at(turn) - other.at(turn)) for turn in range(1, 181))
    assert largest - 0.02 <= found <= largest + 0.01
    assert find_largest_difference(one.transposed, other) == largest


def test_signs_are_opposite_in_a_meridian() -> None:
    assert has_opposite_signs(Power(5), Power(-5), 1)
    assert has_opposite_signs(Power(-1.25), Power(1.25), 1)
    assert not has_opposite_signs(Power(-1), Power(5), 1)
    assert not has_opposite_signs(Power(5), Power(1.25), 1)
    # Plus and minus, but in meridians at right angles.
    assert not has_opposite_signs(Power(0, 2, 90), Power(0, -2, 180), 1)
    assert has_opposite_signs(Power(0, 2, 90), Power(0, -2, 90), 1)


def test_the_imbalance_at_the_reading_level() -> None:
    assert find_reading_imbalance(Power(-3), Power(-1), 10) == 2
    assert find_reading_imbalance(Power(-2, -1, 180), Power(-2, -1, 90), 10) == 1
    assert find_reading_imbalance(Power(-2, -1, 90), Power(-2), 8) == 0
