"""The metadata of numbered pages."""

import pytest

from chassis.pages import build_page_meta, compute_page_offset


@pytest.mark.parametrize(("total", "pages"), [(0, 0), (1, 1), (10, 1), (11, 2), (20, 2), (21, 3)])
def test_pages_hold_all_rows(total: int, pages: int) -> None:
    assert build_page_meta(2, 10, total) == {
        "page": 2,
        "per_page": 10,
        "total_count": total,
        "total_pages": pages,
    }


def test_the_first_page_skips_no_row() -> None:
    assert [compute_page_offset(page, 10) for page in (1, 2, 3)] == [0, 10, 20]
