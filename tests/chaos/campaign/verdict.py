"""Reads everything back, and counts what is missing, what is there twice, and what went too far."""

import json
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from itertools import pairwise
from typing import Any

from chassis.store.database import Database
from subscriptions_svc.store.box_deliveries import find_wrong_counters
from tests.chaos.campaign.ledger import Entry
from tests.chaos.campaign.load import Load
from tests.chaos.campaign.shop import BOXES_A_YEAR, PATH
from tests.chaos.campaign.stage import OWNERS, Stage
from tests.chaos.product import WRITES, Caller, wait_for
from tests.serving import SERVICES, get_definition

PAGE = 100
ORDERS = f"/v1/orders?lab=lab_123&account_number=1234567&limit={PAGE}"
MAX_EVENTS = 1_000_000
SETTLE = timedelta(minutes=30)  # more than leases and the first retries of events take


@dataclass
class Verdict:
    """What must be empty, each with a line for every case."""

    acknowledged: Counter[str] = field(default_factory=Counter)
    lost: list[str] = field(default_factory=list)
    doubled: list[str] = field(default_factory=list)
    caps_passed: list[str] = field(default_factory=list)
    events: int = 0
    events_lost: list[str] = field(default_factory=list)
    events_out_of_order: list[str] = field(default_factory=list)

    def list_faults(self) -> list[str]:
        """Every case."""
        return [
            *(f"lost: {each}" for each in self.lost),
            *(f"doubled: {each}" for each in self.doubled),
            *(f"cap passed: {each}" for each in self.caps_passed),
            *(f"event lost: {each}" for each in self.events_lost),
            *(f"event out of order: {each}" for each in self.events_out_of_order),
        ]


def judge(stage: Stage, load: Load) -> Verdict:
    """The verdict on a stage whose load has stopped."""
    verdict = Verdict()
    reader = Reader(stage)
    ledger = load.ledger
    verdict.acknowledged = Counter(entry.kind for entry in ledger.entries)
    verdict.doubled += ledger.differing
    orders, sessions, subscriptions, boxes = (
        ledger.list_entries(kind) for kind in ("orders", "sessions", "subscriptions", "boxes")
    )
    compare(verdict, "order", [each.answer["id"] for each in orders], reader.list_orders())
    for kind, made, found in (
        ("session", sessions, reader.list_sessions(sessions)),
        ("subscription", subscriptions, reader.list_pages(f"{PATH}?", "reference")),
    ):
        compare(verdict, kind, [each.key for each in made], found)
    handed_over: Counter[str] = Counter()
    for entry in subscriptions:
        id_ = entry.answer["id"]
        own = [each for each in boxes if each.path.startswith(f"{PATH}/{id_}/")]
        rows = list(reader.read_pages(f"{PATH}/{id_}/deliveries?"))
        compare(verdict, "boxes", [each.key for each in own], [row["request_id"] for row in rows])
        handed_over[id_] = sum(row["quantity"] for row in rows)
        judge_caps(verdict, rows)
    reader.caller.close()
    database = Database(stage.stores["subscriptions"])
    with database.read() as tx:
        wrong = find_wrong_counters(tx)
    database.close()
    verdict.caps_passed += [f"a counter differs from its ledger: {each}" for each in wrong]
    judge_events(verdict, stage, orders, handed_over)
    return verdict


def compare(verdict: Verdict, kind: str, acknowledged: list[str], found: list[str]) -> None:
    """Count what was acknowledged and is missing, and what is there beyond it."""
    there = Counter(found)
    verdict.lost += [f"{kind} {each}" for each in acknowledged if not there[each]]
    beyond = there - Counter(acknowledged)
    verdict.doubled += [f"{kind} {each}" for each in beyond.elements()]


def judge_caps(verdict: Verdict, rows: list[Any]) -> None:
    """Add up the boxes of each eye and year."""
    totals: Counter[tuple[str, int]] = Counter()
    for row in rows:
        totals[row["cart_item_reference_uuid"], row["subscription_year"]] += row["quantity"]
    verdict.caps_passed += [
        f"{uuid}: {boxes} boxes in year {year}"
        for (uuid, year), boxes in totals.items()
        if boxes > BOXES_A_YEAR
    ]


def judge_events(
    verdict: Verdict, stage: Stage, orders: list[Entry], handed_over: Counter[str]
) -> None:
    """Compare what the receiver has with what the services wrote, and with what callers know."""
    first: dict[str, int] = {}
    for number, received in enumerate(stage.receiver.received):
        first.setdefault(received.headers["webhook-id"], number)
    for service in SERVICES:
        rows = wait_until_settled(stage, service)
        verdict.events += len(rows)
        streams = defaultdict(list)
        for row in rows:
            streams[row.stream].append(row)
            if row.state != "delivered" or row.id not in first:
                verdict.events_lost.append(f"{service} {row.id}: {row.state}")
        for stream, own in streams.items():
            arrived = [first[row.id] for row in own if row.id in first]
            if any(later < earlier for earlier, later in pairwise(arrived)):
                verdict.events_out_of_order.append(f"{service} {stream}")
    bodies = read_bodies(stage)
    submitted = {each["data"]["id"] for each in bodies["orders"].values()}
    verdict.events_lost += [
        f"of order {each.answer['id']}" for each in orders if each.answer["id"] not in submitted
    ]
    told: Counter[str] = Counter()
    for body in bodies["subscriptions"].values():
        for each in body.get("deliveries", ()):
            told[body["order_ref"]] += int(each["quantity"])
    verdict.events_lost += [
        f"of {handed_over[each]} boxes of {each} events tell {told[each]}"
        for each in handed_over
        if told[each] != handed_over[each]
    ]


def wait_until_settled(stage: Stage, service: str) -> list[Any]:
    """The events that a service has written, oldest first, once none of them is pending."""
    outbox, database = get_definition(service).outbox, Database(stage.stores[service])

    def list_events() -> list[Any]:
        with database.read() as tx:
            return [*reversed(outbox.find(tx, MAX_EVENTS, owner=OWNERS[service]))]

    try:
        wait_for(
            lambda: all(row.state != "pending" for row in list_events()), "events stay pending"
        )
        return list_events()
    finally:
        database.close()


def read_bodies(stage: Stage) -> dict[str, dict[str, Any]]:
    """What the receiver was sent, by service and event."""
    found: dict[str, dict[str, Any]] = defaultdict(dict)
    for received in stage.receiver.received:
        service = received.path.strip("/")
        found[service][received.headers["webhook-id"]] = json.loads(received.body)
    return found


class Reader:
    """Reads through the APIs, past the proxies."""

    def __init__(self, stage: Stage) -> None:
        self.product = stage.product
        self.product.log_in()
        self.caller = Caller(stage.product.front)

    def read(self, service: str, path: str) -> Any:
        """The body of an answer."""
        answer = self.caller.ask("GET", path, **self.product.credentials(service))
        assert answer.status == 200, (path, answer)
        return answer.json()

    def list_orders(self) -> list[str]:
        """The id of every order."""
        found: list[str] = []
        while True:
            after = f"&starting_after={found[-1]}" if found else ""
            page = self.read("orders", f"{ORDERS}{after}")
            found += [each["id"] for each in page["data"]]
            if not page["has_more"]:
                return found

    def list_sessions(self, entries: list[Entry]) -> list[str]:
        """The key of every session of users who have acknowledged ones."""
        path = WRITES["sessions"][0]
        return [
            each["session_key"]
            for entry in entries
            for each in self.read("sessions", f"{path}?user_key={entry.body['user_key']}")["data"]
        ]

    def list_pages(self, path: str, name: str) -> list[str]:
        """A field of every row of a list of subscriptions."""
        return [each[name] for each in self.read_pages(path)]

    def read_pages(self, path: str) -> Iterator[Any]:
        """Yield the rows of every page."""
        number, pages = 0, 1
        while number < pages:
            number += 1
            page = self.read("subscriptions", f"{path}per_page={PAGE}&page={number}")
            pages = page["meta"]["total_pages"]
            yield from page["data"]


def write_table(engine: str, load: Load, verdict: Verdict, done: Counter[str]) -> str:
    """The figures of a run."""
    failures = load.ledger.failures
    acknowledged = ", ".join(f"{n} {kind}" for kind, n in verdict.acknowledged.most_common())
    rows = {
        "acknowledged": f"{len(load.ledger.entries)} ({acknowledged})",
        "repeated under their key": load.ledger.repeats,
        "lost": len(verdict.lost),
        "doubled": len(verdict.doubled),
        "caps passed": f"{len(verdict.caps_passed)} ({load.shop.refused} deliveries refused)",
        "events lost": f"{len(verdict.events_lost)} of {verdict.events}",
        "events out of order": len(verdict.events_out_of_order),
        "failed requests": f"{failures.total()}, all answered when repeated",
        **{f"  {cause}": count for cause, count in failures.most_common()},
        "kills": sum(count for name, count in done.items() if name.startswith("kill ")),
        "other faults": sum(count for name, count in done.items() if not name.startswith("kill ")),
        **{f"  {name}": count for name, count in sorted(done.items())},
    }
    return "\n".join([f"{engine}:", *(f"  {name:<45} {value}" for name, value in rows.items())])
