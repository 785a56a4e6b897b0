"""Reference data of the subscriptions service."""

import tomllib
from pathlib import Path
from typing import Any

import pytest
from marshmallow import ValidationError

from subscriptions_svc import reference
from tests.serving import Served

DEMO = (Path(__file__).parents[2] / "demo" / "subscriptions.toml").read_text()


def load(served: Served, **tables: Any) -> None:
    with served.database.write() as tx:
        reference.load(tx, reference.REFERENCE.load(tables))


def test_loading_twice_changes_nothing(subscriptions: Served) -> None:
    before = subscriptions.rows()
    load(subscriptions, **tomllib.loads(DEMO))
    assert subscriptions.rows() == before


def test_what_belongs_to_a_row_is_replaced_and_other_rows_stay(subscriptions: Served) -> None:
    load(
        subscriptions,
        merchants=[{"id": "otra_tienda", "store_refs": ["b", "a", "b"], "currency": "MXN"}],
        references=[{"account": "other-merchant", "merchants": []}],
    )
    rows = subscriptions.rows()
    assert [row[:7] for row in rows["merchants"]] == [
        ("otra_tienda", "es-ES", "MXN", "ES", "Europe/Madrid", None, None),
        ("tienda_moderna", "es-ES", "EUR", "ES", "Europe/Madrid", "Tienda Moderna", None),
    ]
    assert rows["stores"] == [
        ("otra_tienda", "a"),
        ("otra_tienda", "b"),
        ("tienda_moderna", "tienda_moderna"),
    ]
    assert len(rows["account_merchants"]) == 1
    load(subscriptions, **tomllib.loads(DEMO))


def test_an_endpoint_is_the_merchants(subscriptions: Served) -> None:
    merchant = {"id": "otra_tienda", "store_refs": ["otra_tienda"]}
    url, events = "https://tienda.example/", ["subscriptions/boxes_delivered"]
    load(subscriptions, merchants=[{**merchant, "endpoint": {"url": url, "events": events}}])
    (row,) = subscriptions.rows()["endpoints"]
    assert (row[:3], row[4:]) == (
        ("otra_tienda", url, {}),
        (" subscriptions/boxes_delivered ", None, None),
    )
    load(subscriptions, **tomllib.loads(DEMO))
    assert subscriptions.rows()["endpoints"] == []


@pytest.mark.parametrize(
    ("table", "row", "fault"),
    [
        ("merchants", {"store_refs": ["x"]}, "id"),
        ("merchants", {"id": "x"}, "store_refs"),
        ("merchants", {"id": "x", "store_refs": []}, "store_refs"),
        ("merchants", {"id": "x" * 256, "store_refs": ["x"]}, "id"),
        ("merchants", {"id": "x", "store_refs": ["x"], "locale": "xx-XX"}, "locale"),
        ("merchants", {"id": "x", "store_refs": ["x"], "locale": ""}, "locale"),
        ("merchants", {"id": "x", "store_refs": ["x"], "locale": "es_ES"}, "locale"),
        ("merchants", {"id": "x", "store_refs": ["x"], "currency": "euro"}, "currency"),
        ("merchants", {"id": "x", "store_refs": ["x"], "currency": "eur"}, "currency"),
        ("merchants", {"id": "x", "store_refs": ["x"], "country": "Spain"}, "country"),
        ("merchants", {"id": "x", "store_refs": ["x"], "time_zone": "Madrid"}, "time_zone"),
        ("merchants", {"id": "x", "store_refs": ["x"], "time_zone": "../etc"}, "time_zone"),
        ("merchants", {"id": "x", "store_refs": ["x"], "name": " "}, "name"),
        ("merchants", {"id": "x", "store_refs": ["x"], "name": "a\nb"}, "name"),
        ("merchants", {"id": "x", "store_refs": ["x"], "terms_url": "javascript:x"}, "terms_url"),
        ("merchants", {"id": "x", "store_refs": ["x"], "endpoint": {}}, "endpoint"),
        ("references", {"account": "nobody", "merchants": []}, "account"),
        ("references", {"account": "demo-merchant", "merchants": ["x"]}, "merchants"),
        ("accounts", {"name": "x", "secret": "short"}, "secret"),
    ],
)
def test_a_fault_names_table_row_and_field(
    subscriptions: Served, table: str, row: dict[str, Any], fault: str
) -> None:
    before = subscriptions.rows()
    with pytest.raises(ValidationError) as refusal:
        load(subscriptions, **{table: [row]})
    messages: Any = refusal.value.messages
    assert list(messages[table][0]) == [fault]
    assert subscriptions.rows() == before


@pytest.mark.parametrize("days", [-1, 366, "14", 1.5, True])
def test_days_of_withdrawal_are_a_number_of_days(days: Any) -> None:
    merchant = {"id": "m", "store_refs": ["s"], "withdrawal_days": days}
    with pytest.raises(ValidationError):
        reference.REFERENCE.load({"merchants": [merchant]})


def test_a_merchant_grants_no_days_of_withdrawal_unless_it_says_so() -> None:
    loaded = reference.REFERENCE.load({"merchants": [{"id": "m", "store_refs": ["s"]}]})
    assert loaded["merchants"][0]["withdrawal_days"] == 0
