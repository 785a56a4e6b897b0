"""The calling account, as it sees itself."""

from collections.abc import Iterable, Mapping
from typing import Any

from sqlalchemy import Row

from chassis.context import Account
from protos import subscriptions_pb2 as pb


def build_who_am_i(
    account: Account, merchants: Iterable[Row[Any]], store_refs: Mapping[str, list[str]]
) -> pb.WhoAmIResponse:
    """Return the account and the merchants that it references, each with its stores."""
    return pb.WhoAmIResponse(
        account=account.name,
        merchants=[
            pb.ReferencedMerchant(
                id=merchant.id,
                name=merchant.name or merchant.id,
                store_refs=store_refs.get(merchant.id, ()),
            )
            for merchant in merchants
        ],
    )
