"""The yearly cap of an eye under 24 threads and 3 client processes of 8 more, on both engines."""

import json
import subprocess
import sys
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from tests.serving import Served
from tests.subscriptions_svc.bodies import build_lens, build_package
from tests.subscriptions_svc.box_client import CALLS, DEADLINE, THREADS, Outcome, deliver_boxes
from tests.subscriptions_svc.shop import (
    build_delivery,
    create_confirmed,
    get,
    list_boxes,
    list_lenses,
)

ROOT = Path(__file__).parents[3]
PROCESSES = 3
OWN_THREADS = 24
CAP = 40


def deliver_at_once(address: str, subscription_id: str, reference_uuid: str) -> list[Outcome]:
    """The outcomes of client processes, and of threads in this one, that began together."""
    to = (address, subscription_id, reference_uuid)
    command = [sys.executable, "-m", "tests.subscriptions_svc.box_client", *to]
    clients = [
        subprocess.Popen(
            command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        for _ in range(PROCESSES)
    ]
    for client in clients:
        assert client.stdout is not None
        assert client.stdout.readline() == "ready\n"
    with ThreadPoolExecutor(PROCESSES) as pool:
        told = pool.map(lambda client: client.communicate("go\n", timeout=120)[0], clients)
        own = deliver_boxes(OWN_THREADS, *to)
    return own + [tuple(each) for text in told for each in json.loads(text)]


def test_no_more_boxes_leave_than_the_cap(subscriptions: Served, body: Any) -> None:
    cart = [build_package(build_lens("left", box_count=CAP), build_lens("right", box_count=CAP))]
    made = create_confirmed(subscriptions, body, cart_items=cart)
    eye = list_lenses(made)[0]

    outcomes = deliver_at_once(subscriptions.address, made.id, eye.reference_uuid)

    assert len(outcomes) == (OWN_THREADS + PROCESSES * THREADS) * CALLS
    assert Counter(reason for reason, _, _ in outcomes) == {
        "": CAP,
        "OVER_DELIVERY": len(outcomes) - CAP,
    }
    # Each answer told another count: none was lost, none passed the cap.
    assert sorted(delivered for reason, delivered, _ in outcomes if not reason) == list(
        range(1, CAP + 1)
    )
    assert max(seconds for _, _, seconds in outcomes) < DEADLINE
    assert list_boxes(get(subscriptions, made.id)) == [(CAP, 0), (0, CAP)]
    rows = subscriptions.rows()
    assert [row[1:4] for row in rows["box_counters"] if row[0] == eye.id] == [(1, CAP, CAP)]
    assert sum(row[4] for row in rows["box_deliveries"] if row[2] == eye.id) == CAP


def test_two_eyes_in_either_order_do_not_wait_for_each_other_in_a_ring(
    subscriptions: Served, body: Any
) -> None:
    cart = [build_package(build_lens("left", box_count=CAP), build_lens("right", box_count=CAP))]
    made = create_confirmed(subscriptions, body, cart_items=cart)
    left, right = (item.reference_uuid for item in list_lenses(made))

    def deliver(turn: int) -> None:
        pair = [(left, 1), (right, 1)][:: 1 if turn % 2 else -1]
        subscriptions.call("CreateBoxDeliveries", build_delivery(made.id, *pair), timeout=DEADLINE)

    with ThreadPoolExecutor(24) as pool:
        list(pool.map(deliver, range(CAP)))
    assert list_boxes(get(subscriptions, made.id)) == [(CAP, 0), (CAP, 0)]
