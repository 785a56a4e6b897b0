"""Shapes of a pair: mirrored, not mirrored, or their own mirror image."""

from typing import Any

import pytest

from optics.shapes import is_unmirrored, sample_radii

# A shape with a corner, at 40 even angles; and its mirror image.
CORNER = [2000 + 600 * (at in (4, 5, 6)) + 200 * (at in (3, 7)) for at in range(40)]
MIRRORED = [CORNER[(20 - at) % 40] for at in range(40)]
ROUND = [2000.0] * 40


def sample(radii: Any, angles: Any = ()) -> list[float]:
    """Samples of a shape."""
    return sample_radii(radii, angles)


UNEVEN = [at * 36000 / 40 for at in range(40)]


@pytest.mark.parametrize("angles", [(), UNEVEN])
def test_it_works(angles: Any) -> None:
    assert is_unmirrored((CORNER, angles), (CORNER, ()))
    assert is_unmirrored((CORNER, ()), (CORNER, angles))
    assert not is_unmirrored((CORNER, angles), (MIRRORED, ()))
    assert not is_unmirrored((CORNER, ()), (MIRRORED, angles))
    assert not is_unmirrored((ROUND, angles), (ROUND, ()))
    assert not is_unmirrored((CORNER, angles), (ROUND, ()))


def test_a_pair_may_have_different_numbers_of_points() -> None:
    dense = sample(CORNER)
    assert is_unmirrored((CORNER, ()), (dense, ()))
    assert not is_unmirrored((MIRRORED, ()), (dense, ()))


@pytest.mark.parametrize("count", [20, 41, 72, 360, 1000])
def test_any_number_of_points_has_the_same_samples(count: int) -> None:
    assert sample([1800] * count) == pytest.approx([1800] * 72)
    slope = [at * 36000 / count for at in range(count)]
    assert sample(slope)[1:66] == pytest.approx(
        [at * 500 for at in range(1, 66)], abs=36000 / count
    )


def test_uneven_angles_are_read_between_and_around() -> None:
    angles = [9000, 18000, 27000]
    found = sample([1000, 2000, 3000], angles)
    assert (found[18], found[36], found[54]) == (1000, 2000, 3000)
    assert found[27] == pytest.approx(1500)
    assert found[0] == pytest.approx(2000)
    assert sample([2500], [100]) == pytest.approx([2500] * 72)
