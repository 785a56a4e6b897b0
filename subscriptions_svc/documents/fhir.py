"""Cart items that were read from FHIR documents."""

from collections.abc import Iterable, Mapping
from typing import Any

from optics.fhir import Remark
from protos import subscriptions_pb2 as pb


def build_cart_items(
    items: Iterable[Mapping[str, Any]], not_carried: Iterable[Remark]
) -> pb.ReadCartItemsResponse:
    """Return items that were read, and what they do not carry."""
    return pb.ReadCartItemsResponse(
        cart_items=[pb.NewCartItem(**each) for each in items],
        not_carried=[pb.NotCarried(path=each.path, message=each.message) for each in not_carried],
    )
