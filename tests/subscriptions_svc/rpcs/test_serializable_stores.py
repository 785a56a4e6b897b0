"""On a store whose transactions are serializable, what fails with 40001 is done once."""

import threading
import uuid
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

import grpc
import pytest
from sqlalchemy import event, text

from tests.serving import Served, decode, open_database, serve
from tests.subscriptions_svc.bodies import build_lens, build_package
from tests.subscriptions_svc.shop import build_delivery, create_confirmed, list_lenses

CAP = 12

Store = Callable[[str, str], str]


@pytest.fixture(scope="module")
def engine() -> str:
    """The engine with such stores."""
    return "postgresql"


@pytest.fixture(scope="module")
def start(store_url: Store) -> Any:
    """Starts a service whose transactions are serializable by default."""
    running: list[Served] = []

    def starter(service: str, engine: str) -> Served:
        url = store_url(service, engine)
        database = open_database(url)
        name = database.url.database
        with database.read() as tx:
            level = "SET default_transaction_isolation = 'serializable'"
            tx.execute(text(f'ALTER DATABASE "{name}" {level}'))
        database.close()
        running.append(serve(service, open_database(url)))
        return running[-1]

    yield starter
    for served in running:
        served.stop()


def count_failures(served: Served, of: Counter[str]) -> Callable[[Any], None]:
    """Count what the database refuses, by SQLSTATE, from now on."""
    lock = threading.Lock()

    def hear(context: Any) -> None:
        with lock:
            of[getattr(context.original_exception, "sqlstate", "")] += 1

    event.listen(served.database.engine, "handle_error", hear)
    return hear


def deliver(served: Served, subscription: str, lens: str, key: str) -> str:
    """Deliver one box; why it was refused, or ""."""
    asked = build_delivery(subscription, (lens, 1))
    try:
        served.call("CreateBoxDeliveries", asked, idempotency_key=key)
    except grpc.RpcError as error:
        return decode(error).reason
    return ""


def test_it_works(subscriptions: Served, body: Any) -> None:
    """Eight at once deliver one box each, every one of them twice, until none remain."""
    cart = [build_package(build_lens("left", box_count=CAP), build_lens("right", box_count=CAP))]
    made = create_confirmed(subscriptions, body, cart_items=cart)
    lens = list_lenses(made)[0]
    before = subscriptions.rows()
    failures: Counter[str] = Counter()
    hear = count_failures(subscriptions, failures)
    keys = [uuid.uuid4().hex for _ in range(CAP + 4)]
    with ThreadPoolExecutor(8) as pool:
        work = partial(deliver, subscriptions, made.id, lens.reference_uuid)
        reasons = list(pool.map(work, [key for key in keys for _ in range(2)]))
    event.remove(subscriptions.database.engine, "handle_error", hear)

    assert failures["40001"] > 0
    assert set(reasons) == {"", "OVER_DELIVERY"}
    assert [reasons[2 * at] == reasons[2 * at + 1] for at in range(len(keys))].count(False) == 0
    assert reasons.count("") == 2 * CAP
    rows = subscriptions.rows()
    assert sum(row[4] for row in rows["box_deliveries"] if row[2] == lens.id) == CAP
    assert [row[1:4] for row in rows["box_counters"] if row[0] == lens.id] == [(1, CAP, CAP)]
    assert len(rows["idempotency_keys"]) == len(before["idempotency_keys"]) + CAP
