"""A transmitted order's job reaches its lab once, in a folder or over HTTP, on both engines."""

import json
import os
import signal
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from standardwebhooks import Webhook

from chassis.events.carriers import WITHDRAWN
from chassis.events.dispatcher import MAX_RETRIES
from orders_svc.actions.advance_by_time import advance_by_time
from orders_svc.rules.tracing import parse_tracing
from orders_svc.store import tables
from protos import orders_pb2 as pb
from tests.chassis.events.receiver import Receiver, answer_status, hang, run_receiver
from tests.chassis.logs import capture_log
from tests.orders_svc.bodies import Body
from tests.orders_svc.rpcs.test_get_order import create_order, fetch_order
from tests.orders_svc.rpcs.test_submit_order import submit
from tests.orders_svc.rpcs.test_update_order import move
from tests.orders_svc.transport.labs import Lab, build_lab, fetch_job, list_files, make_folder
from tests.serving import Served

ROOT = Path(__file__).parents[3]


@pytest.fixture
def lab(orders: Served, order: Body, unique: str) -> Lab:
    """A lab that receives nothing yet."""
    return build_lab(orders, order, unique)


@pytest.fixture
def out(lab: Lab, tmp_path: Path) -> Path:
    """The folder in which the lab finds its jobs."""
    lab.connect(make_folder(tmp_path))
    return tmp_path / "out"


@pytest.fixture
def desk(lab: Lab) -> Any:
    """The lab's endpoint."""
    with run_receiver() as receiver:
        lab.connect(url=receiver.url, headers={"X-Lab": "yes"})
        yield receiver


def test_it_works(lab: Lab, out: Path) -> None:
    order_id = lab.submit()
    assert lab.tell(order_id) == ("pending", 0, "")
    (event,) = lab.list_events()
    assert (event.type, event.stream, event.owner) == ("order.job", order_id, lab.owner)
    assert json.loads(event.body) == {"order_id": order_id, "version": 1}
    assert list_files(out) == []
    lab.deliver()
    assert list_files(out) == [f"{order_id}-v1.oma"]
    job = (out / f"{order_id}-v1.oma").read_bytes()
    assert job == fetch_job(lab.orders, order_id)
    assert parse_tracing(job.decode()).traces
    assert lab.tell(order_id) == ("delivered", 1, "")
    assert fetch_order(lab.orders, order_id).job_delivery.updated == int(lab.now.timestamp())
    lab.move_on(days=1)
    lab.deliver()
    assert len(list_files(out)) == 1


def test_staff_see_where_it_stands(lab: Lab, out: Path) -> None:
    order_id = lab.submit()
    asked = pb.GetLabOrderRequest(order_id=order_id)
    seen = lab.orders.call("GetLabOrder", asked, "staff", desk=True)
    assert seen.job_delivery.state == "pending"


def test_a_lab_without_a_drop_receives_nothing(lab: Lab, order: Body) -> None:
    order_id = lab.submit()
    assert lab.list_events() == []
    assert not fetch_order(lab.orders, order_id).HasField("job_delivery")


def test_a_draft_is_sent_with_the_version_of_its_submit(lab: Lab, out: Path) -> None:
    draft = {**lab.order, **lab.where, "mode": "draft"}
    order_id = create_order(lab.orders, draft)
    assert lab.list_events() == []
    with lab.orders.clock.at(lab.now):
        submit(lab.orders, order_id)
    lab.deliver()
    assert list_files(out) == [f"{order_id}-v2.oma"]


def test_with_a_window_it_leaves_at_the_transmission(
    orders: Served, order: Body, unique: str, tmp_path: Path
) -> None:
    slow = build_lab(orders, order, unique, minutes=5)
    slow.connect(make_folder(tmp_path))
    order_id, other_id = slow.submit(), slow.submit()
    with orders.clock.at(slow.now):
        orders.call("CancelOrder", pb.CancelOrderRequest(order_id=other_id))
    slow.deliver()
    assert slow.list_events() == []
    slow.move_on(minutes=5)
    advance_by_time(orders.database, slow.now)
    slow.deliver()
    assert list_files(tmp_path / "out") == [f"{order_id}-v2.oma"]


@pytest.mark.parametrize("how", ["cancelled", "erased"])
def test_what_is_not_to_be_made_is_not_sent(lab: Lab, out: Path, how: str) -> None:
    order_id = lab.submit()
    if how == "cancelled":
        move(lab.orders, order_id, "cancelled")
    else:
        with lab.orders.database.write() as tx:
            one = tables.orders.c.id == order_id
            tx.execute(tables.orders.update().where(one).values(erased_at=lab.now))
    lab.deliver()
    assert list_files(out) == []
    assert lab.tell(order_id) == ("cancelled", 1, WITHDRAWN)
    assert [each.state for each in lab.list_events()] == ["cancelled"]


def test_a_process_killed_between_write_and_mark_has_sent_it_once(
    orders: Served, order: Body, unique: str, tmp_path: Path, lab: Lab, out: Path
) -> None:
    other = build_lab(orders, order, f"{unique}-other")
    other.connect(make_folder(tmp_path / "other"))
    other.submit()
    order_id = lab.submit()
    url = lab.orders.database.url.render_as_string(hide_password=False)
    words = [url, lab.now.isoformat(), order_id]
    killed = subprocess.run(
        [sys.executable, "-m", "tests.orders_svc.transport.job_sender", *words],
        cwd=ROOT,
        timeout=60,
        check=False,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    assert killed.returncode == -signal.SIGKILL
    (name,) = list_files(out)
    before = (out / name).stat()
    assert lab.tell(order_id) == ("pending", 0, "")
    lab.deliver()
    assert lab.tell(order_id) == ("pending", 0, "")  # the killed process has the lease
    lab.move_on(seconds=61)
    lab.deliver()
    assert lab.tell(order_id) == ("delivered", 2, "")
    assert list_files(out) == [name]
    after = (out / name).stat()
    assert (before.st_ino, before.st_mtime_ns) == (after.st_ino, after.st_mtime_ns)


def test_half_a_file_of_a_killed_process_is_written_anew(lab: Lab, out: Path) -> None:
    order_id = lab.submit()
    (out / f".{order_id}-v1.oma.part").write_text("JOB=half" + "x" * 100_000)
    lab.deliver()
    assert list_files(out) == [f"{order_id}-v1.oma"]
    assert (out / f"{order_id}-v1.oma").read_bytes() == fetch_job(lab.orders, order_id)


@pytest.mark.parametrize("what", ["file", "folder", "link"])
def test_another_file_of_that_name_is_not_overwritten(
    lab: Lab, out: Path, what: str, tmp_path: Path
) -> None:
    order_id = lab.submit()
    path, elsewhere = out / f"{order_id}-v1.oma", tmp_path / "elsewhere"
    if what == "file":
        path.write_text("another")
    elif what == "folder":
        path.mkdir()
    else:
        elsewhere.write_text("kept")
        path.symlink_to(elsewhere)
    lab.deliver()
    assert lab.tell(order_id) == ("pending", 1, "conflict")
    assert list_files(out) == [path.name]
    assert not elsewhere.exists() or elsewhere.read_text() == "kept"


def test_after_the_last_try_it_is_told_and_can_be_replayed(lab: Lab, out: Path) -> None:
    order_id = lab.submit()
    out.rename(out.with_name("away"))
    with capture_log() as lines:
        for attempt in range(1, MAX_RETRIES + 2):
            lab.deliver()
            last = attempt > MAX_RETRIES
            assert lab.tell(order_id) == ("failed" if last else "pending", attempt, "missing")
            lab.move_on(hours=15)
        said = lines()
    (event,) = lab.list_events()
    assert (event.state, event.last_error) == ("dead", "missing")
    assert "job not delivered" in [line["event"] for line in said]
    assert "Example" not in str(said)
    out.with_name("away").rename(out)
    with lab.orders.database.write() as tx:
        tables.outbox.replay(tx, event.id, lab.now)
    assert lab.tell(order_id)[0] == "pending"
    lab.deliver()
    assert lab.tell(order_id) == ("delivered", 1, "")
    assert len(list_files(out)) == 1


def test_what_is_known_outlives_the_outbox(lab: Lab, out: Path) -> None:
    sent, waiting = lab.submit(), ""
    lab.deliver()
    waiting = lab.submit()
    with lab.orders.database.write() as tx:
        tx.execute(tables.outbox.table.delete())
    assert lab.tell(sent)[0] == "delivered"
    assert lab.tell(waiting)[0] == "cancelled"


def test_without_its_drop_what_waits_is_cancelled(lab: Lab, out: Path) -> None:
    order_id = lab.submit()
    lab.connect()
    lab.deliver()
    assert lab.tell(order_id)[0] == "cancelled"
    assert list_files(out) == []


def test_over_http_it_is_signed_and_has_a_key(lab: Lab, desk: Receiver) -> None:
    order_id = lab.submit()
    desk.answers = [answer_status(500), answer_status(204)]
    lab.deliver()
    assert lab.tell(order_id) == ("pending", 1, "status")
    assert fetch_order(lab.orders, order_id).job_delivery.status == 500
    lab.move_on(seconds=11)
    lab.deliver()
    assert lab.tell(order_id) == ("delivered", 2, "")
    first, second = desk.received
    assert first.body == second.body == fetch_job(lab.orders, order_id)
    assert first.headers["idempotency-key"] == f"{order_id}-v1"
    assert first.headers["webhook-id"] == second.headers["webhook-id"]
    assert first.headers["content-type"] == "text/plain; charset=us-ascii"
    assert first.headers["x-lab"] == "yes"
    with lab.orders.database.read() as tx:
        secret = tables.outbox.endpoints.get(tx, lab.owner).secret
    head = first.headers
    at = datetime.fromtimestamp(int(head["webhook-timestamp"]), UTC)
    signed = Webhook(secret).sign(head["webhook-id"], at, first.body.decode())
    assert head["webhook-signature"] == signed


@pytest.mark.parametrize("status", [410, 501])
def test_no_answer_declines_a_job_or_ends_the_next_ones(
    lab: Lab, desk: Receiver, status: int
) -> None:
    order_id = lab.submit()
    desk.answers = [answer_status(status), answer_status(204), answer_status(204)]
    lab.deliver()
    assert lab.tell(order_id) == ("pending", 1, "status")
    assert fetch_order(lab.orders, order_id).job_delivery.status == status
    other_id = lab.submit()
    lab.move_on(seconds=11)
    lab.deliver()
    assert {lab.tell(each)[0] for each in (order_id, other_id)} == {"delivered"}


def test_a_lab_that_hangs_delays_no_other_and_no_client(
    lab: Lab, desk: Receiver, orders: Served, order: Body, tmp_path: Path
) -> None:
    desk.answers = [hang]
    for _ in range(5):
        lab.submit()
    other = build_lab(orders, order, lab.id.removeprefix("lab_") + "b")
    other.connect(make_folder(tmp_path))
    order_id = other.submit()
    dispatcher = lab.start_dispatcher(seconds=30)
    dispatcher.dispatch_due()  # labs of other tests may have jobs that are due, too
    try:
        assert sorted(event.attempts for event in lab.list_events()) == [0, 1, 1, 1, 1]
        while other.tell(order_id)[0] == "pending":
            dispatcher.dispatch_due()
        assert other.tell(order_id) == ("delivered", 1, "")
        assert dispatcher._choose_lane("demo-client").count_free_slots("demo-client") == 4
        assert dispatcher._choose_lane("demo-client").deliveries == 16
    finally:
        desk.closing.set()

        dispatcher.wait_until_idle()
