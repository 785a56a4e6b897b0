"""Numbered pages of a list: which rows a page holds, and its metadata."""

from typing import TypedDict


class PageMeta(TypedDict):
    """Where a page stands in its list; the fields of the services' message PageMeta."""

    page: int
    per_page: int
    total_count: int
    total_pages: int


def build_page_meta(page: int, per_page: int, total_count: int) -> PageMeta:
    """The metadata of a page, counted from 1."""
    return PageMeta(
        page=page,
        per_page=per_page,
        total_count=total_count,
        total_pages=-(-total_count // per_page),
    )


def compute_page_offset(page: int, per_page: int) -> int:
    """How many rows stand before a page, counted from 1."""
    return (page - 1) * per_page
