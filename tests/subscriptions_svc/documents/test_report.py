"""`report deliveries` and `check`, as commands on both engines."""

import csv
import io
import json
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from sqlalchemy import update

from subscriptions_svc.__main__ import cli
from subscriptions_svc.documents.report import HEADER, escape_formula
from subscriptions_svc.store.tables import box_counters
from tests.serving import Served
from tests.subscriptions_svc.bodies import build_lens, build_package
from tests.subscriptions_svc.shop import (
    OTHER_STORE,
    build_delivery,
    change_cart,
    create_activated,
    create_confirmed,
    list_lenses,
    pay,
)

ROOT = Path(__file__).parents[3]


def run(served: Served, *arguments: str) -> Result:
    url = served.database.url.render_as_string(hide_password=False)
    return CliRunner().invoke(cli, ["--database-url", url, *arguments])


def report(served: Served, first: str, last: str) -> list[dict[str, str]]:
    ran = run(served, "report", "deliveries", "--from", first, "--to", last)
    assert (ran.exit_code, ran.stderr) == (0, "")
    lines = list(csv.reader(io.StringIO(ran.stdout_bytes.decode(), newline="")))
    assert tuple(lines[0]) == HEADER
    return [dict(zip(HEADER, line, strict=True)) for line in lines[1:]]


def deliver(served: Served, made: Any, at: datetime, quantity: int, who: str = "client") -> None:
    request = build_delivery(made.id, (list_lenses(made)[0].reference_uuid, quantity))
    with served.clock.at(at):
        served.call("CreateBoxDeliveries", request, who, x_request_id="till-7")


def test_it_works(subscriptions: Served, body: Any) -> None:
    start = datetime(2030, 3, 1, 12, tzinfo=UTC)
    made = create_activated(subscriptions, body, start)
    left = list_lenses(made)[0]
    deliver(subscriptions, made, start + timedelta(seconds=1.5), 2)
    lines = report(subscriptions, "2030-03-01", "2030-03-01")
    assert lines == [
        {
            "delivered_at": "2030-03-01T12:00:01Z",
            "day": "2030-03-01",
            "merchant_id": "tienda_moderna",
            "store_ref": "tienda_moderna",
            "subscription_id": made.id,
            "subscription_reference": made.reference,
            "contract_number": made.contract_number,
            "item_reference": "CL-LEFT-001",
            "item_reference_uuid": left.reference_uuid,
            "item_name": "Left contact lens",
            "eye": "left",
            "quantity": "2",
            "subscription_year": "1",
            "account": "demo-merchant",
            "request_id": "till-7",
            "outcome": "delivered",
        }
    ]


def test_days_are_the_merchants_and_both_ends_are_included(
    subscriptions: Served, body: Any
) -> None:
    start = datetime(2031, 1, 1, 12, tzinfo=UTC)
    whole = [build_package(build_lens("left", box_count=9))]
    made = create_activated(subscriptions, body, start, cart_items=whole)
    others = create_confirmed(subscriptions, body, "other", merchant=OTHER_STORE, cart_items=whole)
    # Midnight in Madrid is 22:00 UTC in summer.
    for minutes, quantity in ((-1, 1), (0, 2), (2 * 24 * 60 - 1, 3), (2 * 24 * 60, 4)):
        at = datetime(2031, 6, 9, 22, tzinfo=UTC) + timedelta(minutes=minutes)
        if quantity != 4:
            deliver(subscriptions, made, at, quantity)
        deliver(subscriptions, others, at, 1, "other")
    lines = report(subscriptions, "2031-06-10", "2031-06-11")
    assert [(each["day"], each["merchant_id"], each["quantity"]) for each in lines] == [
        ("2031-06-10", "tienda_moderna", "2"),
        ("2031-06-10", "otra_tienda", "1"),
        ("2031-06-11", "tienda_moderna", "3"),
        ("2031-06-11", "otra_tienda", "1"),
    ]


def test_no_cell_is_a_formula(subscriptions: Served, body: Any) -> None:
    start = datetime(2032, 1, 1, 12, tzinfo=UTC)
    name = '=HYPERLINK("http://example.com";"a,b")'
    whole = build_package(build_lens("left", name=name, reference="@SUM(1)"))
    made = create_activated(subscriptions, body, start, cart_items=[whole], reference="+1")
    deliver(subscriptions, made, start, 1)
    (line,) = report(subscriptions, "2032-01-01", "2032-01-01")
    texts = [line[each] for each in ("item_name", "item_reference", "subscription_reference")]
    assert texts == ["'" + name, "'@SUM(1)", "'+1"]


@pytest.mark.parametrize("text", ["=1", "+1", "-1", "@a", "\t=1", "\r1", "\n1", " =1", "\uff1d1"])
def test_what_a_spreadsheet_takes_for_a_formula_gets_an_apostrophe(text: str) -> None:
    assert escape_formula(text) == "'" + text


@pytest.mark.parametrize("text", ["", "a=1", "1-2", "CL-LEFT", "ñ", "a\nb"])
def test_other_text_stays_as_it_is(text: str) -> None:
    assert escape_formula(text) == text


@pytest.mark.parametrize(
    ("days", "message"),
    [
        (["--from", "2026-01-02", "--to", "2026-01-01"], "Must not be before --from."),
        (["--from", "2026-02-30", "--to", "2026-03-01"], "does not match the format"),
        (["--from", "2026-02-03"], "Missing option '--to'"),
    ],
)
def test_days_that_are_none_are_refused(
    subscriptions: Served, days: list[str], message: str
) -> None:
    ran = run(subscriptions, "report", "deliveries", *days)
    assert (ran.exit_code, ran.stdout) == (2, "")
    assert message in ran.stderr


def test_the_first_and_the_last_day_of_the_calendar_are_days(subscriptions: Served) -> None:
    assert report(subscriptions, "0001-01-01", "0001-01-01") == []
    assert report(subscriptions, "9999-12-31", "9999-12-31") == []


def test_check_prints_a_counter_that_differs_from_the_ledger(
    subscriptions: Served, body: Any
) -> None:
    start = datetime(2033, 1, 1, 12, tzinfo=UTC)
    with subscriptions.clock.at(start):
        made = pay(subscriptions, create_activated(subscriptions, body, start).id)
        deliver(subscriptions, made, start, 2)
        change_cart(subscriptions, made.id, build_package(build_lens("left")))
    ran = run(subscriptions, "check")
    told = "Every counter of boxes and every total of lists matches its rows.\n"
    assert (ran.exit_code, ran.stdout) == (0, told)
    left = list_lenses(made)[0].id
    of = box_counters.c.item_id == left
    with subscriptions.database.write() as tx:
        tx.execute(update(box_counters).where(of).values(delivered=1))
    ran = run(subscriptions, "check")
    assert ran.exit_code == 1
    assert ran.stdout == f"item {left}, year 1: counted 1, ledger 2\n"
    ran = run(subscriptions, "check", "--json")
    assert ran.exit_code == 1
    fault = {"item": left, "year": 1, "counted": 1, "ledger": 2}
    assert json.loads(ran.stdout) == {"counters": [fault], "totals": []}
    with subscriptions.database.write() as tx:
        tx.execute(update(box_counters).where(of).values(delivered=2))


def test_an_older_store_is_refused(tmp_path: Path) -> None:
    days = ["--from", "2026-01-01", "--to", "2026-01-01"]
    for arguments in (["check"], ["report", "deliveries", *days]):
        ran = CliRunner().invoke(cli, ["--data-dir", str(tmp_path), *arguments])
        assert ran.exit_code == 1
        assert "run `python -m subscriptions_svc migrate`" in ran.stderr


def test_the_process_writes_the_same(store_url: Callable[[str, str], str], engine: str) -> None:
    # On a store of its own: the other tests open theirs twice in this process, which drops its
    # POSIX locks, and a process that then closes the file deletes the WAL under the service.
    url = store_url("subscriptions", engine)
    command = [sys.executable, "-m", "subscriptions_svc", "--database-url", url, "report"]
    days = ["deliveries", "--from", "2026-01-01", "--to", "2026-01-01"]
    ran = subprocess.run([*command, *days], cwd=ROOT, capture_output=True, timeout=60, check=True)
    assert ran.stdout == ",".join(HEADER).encode() + b"\r\n"
