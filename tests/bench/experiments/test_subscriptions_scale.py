"""`python -m bench subscriptions-scale` with few subscriptions: whether it runs, not how fast."""

import sys
from collections.abc import Callable

from click.testing import CliRunner

from bench.experiments import subscriptions_scale as scale
from bench.experiments.launcher import run_command
from bench.experiments.service_code import SUBSCRIPTION_TABLES
from chassis.store.database import Database
from protos.subscriptions_pb2 import ListSubscriptionsRequest

WORDS = ["--subscriptions", "12", "--deliveries", "120", "--calls", "3"]


def test_it_works() -> None:
    done = CliRunner().invoke(scale.subscriptions_scale, WORDS)
    assert done.exit_code == 0
    assert "12 subscriptions, 120 deliveries in" in done.output
    lines = [line.rsplit(maxsplit=3) for line in done.output.splitlines() if line]
    printed = {line[0] for line in lines if len(line) == 4}
    assert {"GET", "box_deliveries", "list", "list, search"} <= printed


def test_inserted_rows_agree_with_each_other(
    store_url: Callable[[str, str], str], engine: str
) -> None:
    url = store_url("subscriptions", engine)
    side = scale.Side(Database(url))
    try:
        side.ids += scale.fill_store(url, side.ids[0], 20, 200)
        # Raises where a counter does not match the rows that it counts.
        run_command([sys.executable, "-m", "subscriptions_svc", "check"], {"DATABASE_URL": url})
        with side.database.read() as tx:
            rows = {
                name: len(tx.execute(SUBSCRIPTION_TABLES[name].select()).all())
                for name in ("subscriptions", "cart_items", "box_deliveries")
            }
        assert rows == {"subscriptions": 50, "cart_items": 150, "box_deliveries": 200}
        listed = side.call("ListSubscriptions", ListSubscriptionsRequest())
        assert listed.meta.total_count == 50
        for call in side.build_calls().values():
            call()
    finally:
        side.stop()
