"""The rules of changed carts: how many exchanges are due, and where boxes count afterwards."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from subscriptions_svc.rules.changes import (
    COVERED_EYES,
    Exchanges,
    carry_boxes,
    find_kept_item_faults,
)

GLASSES = ("material_subscription", None, None)


def build_exchanges(
    months: int, *, first: bool = True, glasses: int = 0, left: int = 0, right: int = 0
) -> Exchanges:
    return Exchanges(months, first, glasses, {"left": left, "right": right})


def compute_due(months: int, period: int, *, first: bool) -> int:
    return build_exchanges(months, first=first).count_due(period)


def test_a_package_is_not_kept_inside_a_package() -> None:
    items = {"package": {"items": [{"id": "lens"}]}, "lens": {}}
    parents = {"package": None, "lens": "package"}

    def find_paths(*inside: str) -> list[str]:
        new = {"type": "subscription_package", "items": [{"id": id_} for id_ in inside]}
        return [path for path, _ in find_kept_item_faults({"cart_items": [new]}, items, parents)]

    assert find_paths("lens") == []
    assert find_paths("package") == ["cart_items.0.items.0.id"]


@pytest.mark.parametrize(
    ("months", "allowed", "forbidden"),
    [(0, 1, 0), (11, 1, 0), (12, 2, 1), (23, 2, 1), (24, 3, 2), (36, 4, 3)],
)
def test_one_exchange_belongs_to_each_year(months: int, allowed: int, forbidden: int) -> None:
    assert compute_due(months, 12, first=True) == allowed
    assert compute_due(months, 12, first=False) == forbidden


@pytest.mark.parametrize(
    ("months", "cycle", "allowed", "forbidden"),
    [
        (0, 6, 1, 0),
        (5, 6, 1, 0),
        (6, 6, 2, 0),
        (12, 6, 3, 2),
        (18, 6, 4, 3),
        (23, 24, 1, 0),
        (5, 1, 6, 0),
        (20, 0, 0, 0),
    ],
)
def test_a_lens_has_its_own_window(months: int, cycle: int, allowed: int, forbidden: int) -> None:
    assert compute_due(months, cycle, first=True) == allowed
    assert compute_due(months, cycle, first=False) == forbidden


def test_uses_of_glasses_and_of_each_eye_are_counted_apart() -> None:
    used = build_exchanges(13, glasses=2, left=2)
    assert not used.allow(*GLASSES)
    assert not used.allow("contact_lens_subscription", "left", 12)
    assert not used.allow("contact_lens_subscription", "both", 12)
    assert used.allow("contact_lens_subscription", "right", 12)
    assert used.allow("contact_lens_subscription", "left", 6)
    assert not used.allow("contact_lens_subscription", "right", 0)


@pytest.mark.parametrize(
    ("lenses", "gone", "own", "expected"),
    [
        # The same eye; another eye; more than the new cap.
        ([("a", "left", 4)], [("left", 3)], {}, {"a": 3}),
        ([("a", "right", 4)], [("left", 3)], {}, {"a": 0}),
        ([("a", "left", 2)], [("left", 4)], {}, {"a": 4}),
        # Of both for both, for each eye, and back.
        ([("a", "both", 8)], [("both", 3)], {}, {"a": 3}),
        ([("a", "left", 4), ("b", "right", 4)], [("both", 3)], {}, {"a": 3, "b": 3}),
        ([("a", "both", 8)], [("left", 3), ("right", 2)], {}, {"a": 5}),
        # Two lenses of an eye: room is filled in their order, the rest is the first's.
        ([("a", "left", 4), ("b", "left", 4)], [("left", 6)], {"a": 1}, {"a": 3, "b": 3}),
        ([("a", "left", 4), ("b", "left", 4)], [("left", 9)], {"a": 1}, {"a": 5, "b": 4}),
        ([("a", "left", 4)], [("left", 2), ("left", 2)], {"a": 4}, {"a": 4}),
    ],
)
def test_boxes_of_lenses_that_are_gone_count_at_the_eyes_of_those_that_stay(
    lenses: list[tuple[str, str, int]],
    gone: list[tuple[str, int]],
    own: dict[str, int],
    expected: dict[str, int],
) -> None:
    assert carry_boxes(lenses, gone, own) == expected


eyes = st.sampled_from(["left", "right"])
counts = st.integers(0, 9)


@settings(deadline=None)
@given(
    st.lists(st.tuples(eyes, st.integers(1, 9)), min_size=1, max_size=4),
    st.lists(st.tuples(eyes, counts), max_size=4),
    st.lists(counts, min_size=4, max_size=4),
)
def test_no_exchange_raises_an_eye_above_its_cap(
    caps: list[tuple[str, int]], gone: list[tuple[str, int]], own: list[int]
) -> None:
    lenses = [(str(index), eye, cap) for index, (eye, cap) in enumerate(caps)]
    delivered = {id_: min(own[int(id_)], cap) for id_, _, cap in lenses}
    taken = carry_boxes(lenses, gone, delivered)
    for eye in COVERED_EYES["both"]:
        here = [(id_, cap) for id_, of, cap in lenses if of == eye]
        if not here:
            continue
        before = sum(boxes for of, boxes in gone if of == eye)
        assert sum(taken[id_] for id_, _ in here) == before
        left = sum(max(0, cap - delivered[id_] - taken[id_]) for id_, cap in here)
        everything = before + sum(delivered[id_] for id_, _ in here)
        assert left == max(0, sum(cap for _, cap in here) - everything)
