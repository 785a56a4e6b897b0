"""`Link` of lists: where the next and the previous page are (RFC 8288)."""

from typing import Any
from urllib.parse import urlencode

from flask import Response, request

CURSORS = ("starting_after", "ending_before")


def link_cursors(response: Response, page: Any) -> Response:
    """Add the links of a page that has `has_more` and `data`, newest first, each with an id."""
    is_backward = "ending_before" in request.args
    has_previous = page.has_more if is_backward else "starting_after" in request.args
    has_next = is_backward or page.has_more
    links = {}
    if page.data and has_next:
        links["next"] = {"starting_after": page.data[-1].id}
    if page.data and has_previous:
        links["prev"] = {"ending_before": page.data[0].id}
    return _add_links(response, links, without=CURSORS)


def link_pages(response: Response, meta: Any) -> Response:
    """Add the links of a page that is numbered from 1."""
    last = -(-meta.total_count // max(1, meta.per_page))
    links = {}
    if meta.page < last:
        links["next"] = {"page": meta.page + 1}
    if meta.page > 1 and last:
        links["prev"] = {"page": min(meta.page - 1, last)}
    return _add_links(response, links, without=("page",))


def _add_links(
    response: Response, links: dict[str, dict[str, Any]], without: tuple[str, ...]
) -> Response:
    """Add links to the path of the request, relative to its host, with its other parameters."""
    kept = [(name, value) for name, value in request.args.items(multi=True) if name not in without]
    written = [
        f'<{request.path}?{urlencode([*kept, *position.items()])}>; rel="{relation}"'
        for relation, position in links.items()
    ]
    if written:
        response.headers["Link"] = ", ".join(written)
    return response
