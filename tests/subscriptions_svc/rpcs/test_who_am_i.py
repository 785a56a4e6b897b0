"""Who calls: the account and its merchants, on both engines."""

import tomllib
from typing import Any

from grpc import StatusCode

from protos.subscriptions_pb2 import WhoAmIRequest, WhoAmIResponse
from subscriptions_svc import reference
from tests.serving import Served, build_basic

RPC = "WhoAmI"
MERCHANTS = """
[[merchants]]
id = "zeta"
store_refs = ["z-2", "z-1"]

[[merchants]]
id = "alfa"
name = "Alfa Gafas"
store_refs = ["a-1"]

[[references]]
account = "other-merchant"
merchants = ["otra_tienda", "zeta", "alfa"]
"""


def ask(served: Served, who: str = "client") -> list[tuple[str, str, list[str]]]:
    """The merchants of an account: id, name and stores."""
    answer: WhoAmIResponse = served.call(RPC, WhoAmIRequest(), who)
    return [(each.id, each.name, list(each.store_refs)) for each in answer.merchants]


def test_it_works(subscriptions: Served) -> None:
    before = subscriptions.rows()
    answer = subscriptions.call(RPC, WhoAmIRequest())
    assert answer.account == "demo-merchant"
    assert [each.id for each in answer.merchants] == ["tienda_moderna"]
    assert list(answer.merchants[0].store_refs) == ["tienda_moderna"]
    assert subscriptions.rows() == before


def test_merchants_and_their_stores_are_sorted_and_a_merchant_without_a_name_has_its_id(
    start: Any, engine: str
) -> None:
    served = start("subscriptions", engine)
    with served.database.write() as tx:
        reference.load(tx, reference.REFERENCE.load(tomllib.loads(MERCHANTS)))
    merchants = ask(served, "other")
    assert [id_ for id_, _, _ in merchants] == ["alfa", "otra_tienda", "zeta"]
    assert (merchants[0], merchants[2]) == (
        ("alfa", "Alfa Gafas", ["a-1"]),
        ("zeta", "zeta", ["z-1", "z-2"]),
    )
    assert [id_ for id_, _, _ in ask(served)] == ["tienda_moderna"]


def test_an_account_without_merchants_has_an_empty_list(start: Any, engine: str) -> None:
    served = start("subscriptions", engine)
    alone = {"account": "other-merchant", "merchants": []}
    with served.database.write() as tx:
        reference.load(tx, reference.REFERENCE.load({"references": [alone]}))
    assert ask(served, "other") == []


def test_strangers_and_staff_are_refused(subscriptions: Served) -> None:
    unknown = {"authorization": build_basic("demo-merchant", "wrong")}
    for who, more in (("", {}), ("", unknown)):
        refusal = subscriptions.refusal(RPC, WhoAmIRequest(), who, **more)
        assert refusal.code is StatusCode.UNAUTHENTICATED
    refusal = subscriptions.refusal(RPC, WhoAmIRequest(), "staff")
    assert refusal.code is StatusCode.PERMISSION_DENIED
