"""ImportPayments and the statement that adds up, over gRPC and as commands, on both engines."""

import csv
import io
import json
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from protos.subscriptions_pb2 import (
    ExportStatementRequest,
    ImportPaymentsRequest,
    ImportPaymentsResponse,
    Subscription,
)
from subscriptions_svc.__main__ import cli
from subscriptions_svc.rules.paying.imports import LINE
from tests.serving import Served
from tests.subscriptions_svc.payments import (
    MERCHANT,
    advance,
    ensure_sums,
    list_payments,
    opened_monthly,
    refund,
    settle,
)
from tests.subscriptions_svc.shop import UNKNOWN, create_activated, get

RPC = "ImportPayments"
BEGAN = datetime(2026, 1, 10, 12, tzinfo=UTC)
NOW = BEGAN + timedelta(days=70)


@pytest.fixture
def made(subscriptions: Served, body: Any) -> Iterator[Subscription]:
    """A subscription in its third month."""
    with opened_monthly(subscriptions), subscriptions.clock.at(NOW):
        found = create_activated(subscriptions, body, BEGAN)
        advance(subscriptions, NOW)
        yield found
        ensure_sums(subscriptions)


@pytest.fixture
def line(made: Subscription, unique: str) -> Callable[..., dict[str, str]]:
    """Returns a line about the subscription, which says what the test changes."""

    def build(**changes: Any) -> dict[str, str]:
        values = {
            "merchant_id": MERCHANT,
            "subscription_id": made.id,
            "month": 1,
            "result": "taken",
            "amount": 2000,
            "currency": "EUR",
            "reference": unique,
            "date": "",
        }
        return {name: str(value) for name, value in {**values, **changes}.items()}

    return build


def write(*lines: dict[str, str], delimiter: str = ",", mark: str = "") -> bytes:
    """A file of lines."""
    out = io.StringIO()
    table = csv.DictWriter(out, list(LINE.fields), delimiter=delimiter)
    table.writeheader()
    table.writerows(lines)
    return (mark + out.getvalue()).encode()


def send(served: Served, document: bytes) -> tuple[int, int]:
    """Import a file; returns how many lines were imported and skipped."""
    request = ImportPaymentsRequest(document=document)
    done: ImportPaymentsResponse = served.call(RPC, request, "staff", desk=True)
    return done.imported, done.skipped


def refuse(served: Served, document: bytes) -> list[str]:
    """The paths of the faults of a file that is refused, and stores nothing."""
    before = served.rows()
    request = ImportPaymentsRequest(document=document)
    failure = served.refusal(RPC, request, "staff", desk=True)
    assert failure.reason == "INVALID"
    assert served.rows() == before
    return [fault.path for fault in failure.faults]


def list_states(served: Served, made: Subscription) -> list[str]:
    return [each.state for each in list_payments(served, made.id)]


def test_it_works(subscriptions: Served, made: Subscription, line: Any, unique: str) -> None:
    lines = [
        line(),
        line(month=2, result="failed", reference=f"{unique}-2", date="2026-02-12"),
        line(month=1, result="refunded", amount=500, reference=f"{unique}-3"),
    ]
    assert send(subscriptions, write(*lines)) == (3, 0)
    assert list_states(subscriptions, made) == ["taken", "failed", "due"]
    assert get(subscriptions, made.id).payment_status == "failed"
    before = subscriptions.rows()["payments"], subscriptions.rows()["payment_entries"]
    assert send(subscriptions, write(*lines)) == (0, 3)
    assert send(subscriptions, write(*reversed(lines), delimiter=";", mark="\ufeff")) == (0, 3)
    assert (subscriptions.rows()["payments"], subscriptions.rows()["payment_entries"]) == before


def test_a_file_twice_at_once_is_imported_once(
    subscriptions: Served, made: Subscription, line: Any, unique: str
) -> None:
    document = write(*(line(month=n, reference=f"{unique}-{n}") for n in (1, 2, 3)))
    with ThreadPoolExecutor(4) as pool:
        done = list(pool.map(lambda _: send(subscriptions, document), range(4)))
    assert sorted(done) == [(0, 3)] * 3 + [(3, 0)]
    assert [each.taken for each in list_payments(subscriptions, made.id)] == [2000] * 3


@pytest.mark.parametrize(
    ("changes", "column"),
    [
        ({"merchant_id": "otra_tienda"}, "subscription_id"),
        ({"merchant_id": ""}, "merchant_id"),
        ({"subscription_id": UNKNOWN}, "subscription_id"),
        ({"subscription_id": "'; DROP TABLE payments"}, "subscription_id"),
        ({"month": "4"}, "month"),
        ({"month": "0"}, "month"),
        ({"month": "1.0"}, "month"),
        ({"month": "9" * 5000}, "month"),
        ({"result": "paid"}, "result"),
        ({"amount": "1999"}, "amount"),
        ({"amount": "-2000"}, "amount"),
        ({"amount": "20,00"}, "amount"),
        ({"amount": "2_000"}, "amount"),
        ({"amount": "\uff12000"}, "amount"),
        ({"amount": "", "result": "refunded"}, "amount"),
        ({"result": "refunded"}, "amount"),
        ({"currency": "USD"}, "currency"),
        ({"reference": ""}, "reference"),
        ({"reference": "x" * 256}, "reference"),
        ({"date": "2026-02-30"}, "date"),
        ({"date": "2099-01-01"}, "date"),
    ],
    ids=map(str, range(21)),
)
def test_one_bad_line_stops_all_and_is_named(
    subscriptions: Served, line: Any, unique: str, changes: dict[str, str], column: str
) -> None:
    good = line(month=2, reference=f"{unique}-2")
    assert refuse(subscriptions, write(good, line(**changes))) == [f"lines.3.{column}"]


def test_every_fault_is_named_by_its_line(subscriptions: Served, line: Any, unique: str) -> None:
    bad = [line(month=9), line(reference=f"{unique}-2"), line(result="?", amount="?")]
    assert refuse(subscriptions, write(*bad)) == [
        "lines.2.month",
        "lines.4.result",
        "lines.4.amount",
    ]


def test_a_reference_for_something_else_is_refused(
    subscriptions: Served, line: Any, unique: str
) -> None:
    assert send(subscriptions, write(line())) == (1, 0)
    other = line(month=2), line(result="refunded")
    for each in other:
        assert refuse(subscriptions, write(each)) == ["lines.2.reference"]
    assert refuse(subscriptions, write(line(), line(month=2))) == ["lines.3.reference"]
    again = line(reference=f"{unique}-2")
    assert refuse(subscriptions, write(again)) == ["lines.2.result"]


@pytest.mark.parametrize(
    ("document", "path"),
    [
        (b"", "lines.1"),
        (b"\xff\xfe", "document"),
        (b"a\0b", "document"),
        (b"merchant_id,month\n", "lines.1"),
        (write().replace(b"date", b"dat"), "lines.1"),
        (write().replace(b"date", b"month"), "lines.1"),
        (write() + b"1,2\n", "lines.2"),
        (write() + b'"not closed\n', "document"),
        (write() + b"x" * 200_000, "document"),
        (b"x" * (1024 * 1024 + 1), "document"),
    ],
    ids=map(str, range(10)),
)
def test_what_is_no_such_file_is_refused(
    subscriptions: Served, made: Subscription, document: bytes, path: str
) -> None:
    assert path in refuse(subscriptions, document)


def export(served: Served, month: str, form: str = "csv") -> bytes:
    request = ExportStatementRequest(merchant_id=MERCHANT, month=month, format=form)
    document: bytes = served.call("ExportStatement", request, "staff", desk=True).document
    return document


def read_sum(document: bytes) -> tuple[int, int]:
    """The sum of the lines and the total of a statement, in minor units."""
    lines = list(csv.DictReader(io.StringIO(document.decode(), newline="")))
    amounts = [int(each["amount"].replace(".", "")) for each in lines]
    booked = [each["booked_on"] for each in lines]
    total = amounts.pop() if booked and booked[-1] == "total" else 0
    return sum(amounts), total


def test_a_statement_adds_up(
    subscriptions: Served, made: Subscription, line: Any, unique: str
) -> None:
    before, _ = read_sum(export(subscriptions, "2026-03"))
    first, _, third = list_payments(subscriptions, made.id)
    settle(subscriptions, first, reference="=1+1")
    send(subscriptions, write(line(month=2, date="2026-02-27")))
    refund(subscriptions, first, amount=1)
    settle(subscriptions, third, successful=False)
    document = export(subscriptions, "2026-03")
    assert read_sum(document) == (before + 1999, before + 1999)
    lines = [each for each in document.decode().splitlines() if made.id in each]
    assert [each.split(",")[:5] for each in lines] == [
        ["2026-03-21", "taken", "20.00", "EUR", "by_hand"],
        ["2026-03-21", "refunded", "-0.01", "EUR", "by_hand"],
    ]
    assert ",'=1+1," in lines[0]
    assert made.id in export(subscriptions, "2026-02").decode()
    pdf = export(subscriptions, "2026-03", "pdf")
    assert pdf.startswith(b"%PDF-")
    assert export(subscriptions, "1999-01", "pdf").startswith(b"%PDF-")
    for month in ("0001-01", "9999-12"):
        assert read_sum(export(subscriptions, month)) == (0, 0)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"merchant_id": "nobody"}, "NOT_FOUND"),
        ({"month": "2026-13"}, "INVALID"),
        ({"month": "2026-1"}, "INVALID"),
        ({"month": ""}, "INVALID"),
        ({"format": "xml"}, "INVALID"),
    ],
    ids=map(str, range(5)),
)
def test_other_statements_are_refused(
    subscriptions: Served, changes: dict[str, str], reason: str
) -> None:
    values = {"merchant_id": MERCHANT, "month": "2026-03", **changes}
    request = ExportStatementRequest(**values)
    assert subscriptions.refusal("ExportStatement", request, "staff", desk=True).reason == reason


def test_the_commands_do_the_same(
    subscriptions: Served, line: Any, tmp_path: Path, made: Subscription
) -> None:
    url = subscriptions.database.url.render_as_string(hide_password=False)
    file = tmp_path / "results.csv"

    def run(*words: str) -> Any:
        options = ["--data-dir", str(tmp_path), "--database-url", url]
        return CliRunner().invoke(cli, [*options, "payments", *words])

    file.write_bytes(write(line(month=9)))
    refused = run("import", str(file))
    assert (refused.exit_code, "lines.2.month" in refused.output) == (1, True)
    file.write_bytes(write(line()))
    assert run("import", str(file)).output == "1 imported, 0 skipped\n"
    again = run("import", str(file), "--json")
    assert json.loads(again.output) == {"imported": 0, "skipped": 1}
    month = f"{datetime.now(UTC):%Y-%m}"
    written = run("statement", "--merchant", MERCHANT, "--month", month)
    assert made.id in written.output
    assert (
        run("statement", "--merchant", MERCHANT, "--month", month, "--format", "pdf").exit_code == 0
    )
    assert run("statement", "--merchant", "nobody", "--month", month).exit_code == 1
