"""Status files of a lab's drop: applied once, to its own orders, on both engines."""

import os
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from chassis.events.addresses import AttemptFailed
from orders_svc.actions.transport import read_status_files as module
from orders_svc.actions.transport.read_status_files import (
    NO_SUCH_ORDER,
    apply_status_file,
    read_status_files,
)
from orders_svc.notices.transport import folder as folder_module
from orders_svc.notices.transport.bounded import BoundedCalls
from orders_svc.rules.transport.status_files import MAX_FILE_BYTES
from orders_svc.store import tables
from protos import orders_pb2 as pb
from tests.chassis.logs import capture_log
from tests.orders_svc.bodies import Body
from tests.orders_svc.life import list_history
from tests.orders_svc.rpcs.test_get_order import create_order, fetch_order
from tests.orders_svc.rpcs.test_update_order import move
from tests.orders_svc.transport.labs import (
    HEAD,
    Lab,
    build_lab,
    list_files,
    list_kinds,
    make_folder,
    put,
    read_report,
)
from tests.serving import Served


@pytest.fixture
def lab(orders: Served, order: Body, unique: str, tmp_path: Path) -> Lab:
    """A lab with a drop in a local folder."""
    made = build_lab(orders, order, unique)
    made.connect(make_folder(tmp_path))
    return made


def test_it_works(lab: Lab, tmp_path: Path) -> None:
    order_id = lab.submit()
    at = lab.now + timedelta(minutes=1)
    put(
        tmp_path,
        HEAD + f"{order_id},in_progress,T-1,INV-1,,Surfacing,{at.isoformat()}\n"
        f"{order_id},shipped,,,1Z999,Packed,\n",
    )
    lab.move_on(hours=1)
    lab.read_status()
    found = fetch_order(lab.orders, order_id)
    assert (found.lab_status, found.tray_number, found.invoice_number) == (
        "shipped",
        "T-1",
        "INV-1",
    )
    assert found.tracking_number == "1Z999"
    assert [each[1:3] + each[4:] for each in list_history(found)[1:]] == [
        ("in_progress", "lab", "Surfacing"),
        ("shipped", "lab", "Packed"),
    ]
    assert found.history[1].at == int(at.timestamp())
    assert list_kinds(tmp_path) == {"in": 0, "done": 1, "failed": 0}
    assert list_files(tmp_path / "done")[0].startswith("status.")
    with lab.orders.database.read() as tx:
        entries = tables.audit.entries
        mine = select(entries).where(entries.c.actor == lab.owner)
        assert order_id in tx.execute(mine).one().ids


def test_a_tray_names_the_order_at_work_in_it(lab: Lab, tmp_path: Path) -> None:
    before, order_id = lab.submit(), lab.submit()
    for each in (before, order_id):
        move(lab.orders, each, "in_progress", tray_number="T-7")
    move(lab.orders, before, "shipped")
    put(tmp_path, "tray_number;lab_status\nT-7;on_hold\n")
    lab.read_status()
    assert fetch_order(lab.orders, order_id).lab_status == "on_hold"
    assert fetch_order(lab.orders, before).lab_status == "shipped"
    other = lab.submit()
    move(lab.orders, other, "in_progress", tray_number="T-7")
    put(tmp_path, "tray_number;lab_status\nT-7;in_progress\nT-8;shipped\n")
    lab.read_status()
    assert read_report(tmp_path).splitlines() == [
        "Nothing of this file was applied.",
        "line 2: Several orders are in this tray: name the order by its order_id.",
        f"line 3: {NO_SUCH_ORDER}",
    ]


def test_only_its_own_orders_move(
    lab: Lab, orders: Served, order: Body, unique: str, tmp_path: Path
) -> None:
    mine = lab.submit()
    draft = create_order(orders, {**order, **lab.where, "mode": "draft"})
    theirs = build_lab(orders, order, unique + "b").submit()
    move(orders, theirs, "in_progress", tray_number="T-9")
    before = {each: fetch_order(orders, each) for each in (draft, theirs)}
    unknown = "ord_" + "0" * 24
    put(
        tmp_path,
        HEAD
        + f"{theirs},shipped,,,,,\n{draft},in_progress,,,,,\n{unknown},shipped,,,,,\n"
        + f"nonsense,shipped,,,,,\n{mine},in_progress,,,,,\n{mine},submitted,,,,,\n"
        + ",shipped,T-9,,,,\n",
    )
    lab.read_status()
    assert {each: fetch_order(orders, each) for each in before} == before
    assert fetch_order(orders, mine).lab_status == "in_progress"
    assert read_report(tmp_path).splitlines() == [
        "6 of 7 lines were refused; the others were applied.",
        *(f"line {number}: {NO_SUCH_ORDER}" for number in (2, 3, 4, 5)),
        "line 7: The order is in_progress, which does not allow this.",
        f"line 8: {NO_SUCH_ORDER}",
    ]
    assert list_kinds(tmp_path) == {"in": 0, "done": 0, "failed": 2}


def test_what_is_told_again_is_no_fault(lab: Lab, tmp_path: Path) -> None:
    order_id = lab.submit()
    text = HEAD + f"{order_id},in_progress,T-1,,,Started,\n"
    put(tmp_path, text)
    lab.read_status()
    version = fetch_order(lab.orders, order_id).version
    put(tmp_path, text, "again.csv")
    lab.read_status()
    assert list_kinds(tmp_path) == {"in": 0, "done": 2, "failed": 0}
    assert fetch_order(lab.orders, order_id).version == version
    put(tmp_path, HEAD + f"{order_id},in_progress,T-1,INV-2,,,\n", "more.csv")
    lab.read_status()
    assert fetch_order(lab.orders, order_id).invoice_number == "INV-2"


def test_of_an_order_that_may_be_picked_up_shipped_is_no_news(lab: Lab, tmp_path: Path) -> None:
    order_id = lab.submit()
    for each in ("in_progress", "shipped"):
        move(lab.orders, order_id, each)
    asked = pb.MarkOrderReadyRequest(order_id=order_id, notify=False)
    lab.orders.call("MarkOrderReady", asked)
    put(tmp_path, HEAD + f"{order_id},shipped,,,1Z1,,\n")
    lab.read_status()
    found = fetch_order(lab.orders, order_id)
    assert (found.lab_status, found.tracking_number) == ("ready_for_pickup", "1Z1")


def test_a_file_that_grows_waits(lab: Lab, tmp_path: Path) -> None:
    order_id = lab.submit()
    reader = lab.start_reader()
    text = HEAD
    for _ in range(3):
        text += f"{order_id},in_progress,,,,,\n"
        put(tmp_path, text)
        reader.read_due()
        reader.wait_until_idle()
        lab.move_on(seconds=6)
    assert fetch_order(lab.orders, order_id).lab_status == "submitted"
    reader.read_due()
    reader.wait_until_idle()
    assert fetch_order(lab.orders, order_id).lab_status == "in_progress"


@pytest.mark.parametrize(
    "name", [".hidden.csv", "status.csv.part", "status.txt", "x" * 160 + ".csv", "bad\nname.csv"]
)
def test_files_of_other_names_are_left_alone(lab: Lab, tmp_path: Path, name: str) -> None:
    order_id = lab.submit()
    put(tmp_path, HEAD + f"{order_id},in_progress,,,,,\n", name)
    lab.read_status()
    assert list_kinds(tmp_path) == {"in": 1, "done": 0, "failed": 0}


@pytest.mark.parametrize(
    "name", ["x" * 146 + ".csv", "\u76ee" * 80 + ".CSV"], ids=["narrow", "wide"]
)
def test_a_long_name_is_moved_under_a_shorter_one(lab: Lab, tmp_path: Path, name: str) -> None:
    order_id = lab.submit()
    put(tmp_path, HEAD + f"{order_id},in_progress,,,,,\n{order_id},gone,,,,,\n", name)
    lab.read_status()
    assert fetch_order(lab.orders, order_id).lab_status == "in_progress"
    assert list_kinds(tmp_path) == {"in": 0, "done": 0, "failed": 2}
    assert lab.find_poll().last_error is None


def test_other_files_hide_none(lab: Lab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(folder_module, "MAX_LISTED_FILES", 3)
    for number in range(20):
        put(tmp_path, "note", f"{number}.txt")
    order_id = lab.submit()
    put(tmp_path, HEAD + f"{order_id},in_progress,,,,,\n")
    lab.read_status()
    assert fetch_order(lab.orders, order_id).lab_status == "in_progress"
    assert list_kinds(tmp_path) == {"in": 20, "done": 1, "failed": 0}


def test_what_is_no_regular_file_is_left_alone(lab: Lab, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere.csv"
    elsewhere.write_text(HEAD)
    (tmp_path / "in" / "link.csv").symlink_to(elsewhere)
    (tmp_path / "in" / "folder.csv").mkdir()
    os.mkfifo(tmp_path / "in" / "pipe.csv")
    lab.read_status()
    assert list_kinds(tmp_path) == {"in": 3, "done": 0, "failed": 0}
    assert lab.find_poll().last_error is None


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "The first line must name the columns, order_id or tray_number among them."),
        (b"\n\n", "The first line must name the columns"),
        (b"hello\nworld\n", "The first line must name the columns"),
        (b"order_id,status\nx,y\n", "Unknown columns: 'status'. The columns are order_id"),
        (b"order_id,order_id\nx,y\n", "A column is named twice."),
        (b"order_id,lab_status\n\xff,y\n", "Line 2 is not UTF-8 text."),
        (b"order_id,lab_status\nx,y\n\0\n", "Line 3 has a NUL character."),
        (b'order_id,lab_status\n"x,y\n', "Line 2 is not CSV"),
        (b"order_id,lab_status\n" + b"x" * 200_000 + b",y\n", "Line 2 is not CSV"),
        (b"order_id,lab_status\n" + b"a,b\n" * 10_001, "more than 10000 lines."),
        (b"order_id\n" + b"a" * MAX_FILE_BYTES, f"more than {MAX_FILE_BYTES} bytes."),
        (os.urandom(5000), ""),
    ],
)
def test_a_file_that_is_none(lab: Lab, tmp_path: Path, content: bytes, said: str) -> None:
    put(tmp_path, content)
    lab.read_status()
    assert list_kinds(tmp_path) == {"in": 0, "done": 0, "failed": 2}
    first, second, *rest = read_report(tmp_path).splitlines()
    assert first == "Nothing of this file was applied."
    assert said in second
    assert rest == []
    assert len(second) < 500


def test_a_file_with_marks_of_windows(lab: Lab, tmp_path: Path) -> None:
    order_id = lab.submit()
    put(tmp_path, f"\ufefforder_id;lab_status\r\n{order_id};in_progress\r\n\r\n")
    lab.read_status()
    assert fetch_order(lab.orders, order_id).lab_status == "in_progress"
    assert list_kinds(tmp_path) == {"in": 0, "done": 1, "failed": 0}


def test_text_that_deceives_is_refused_as_in_update_order(lab: Lab, tmp_path: Path) -> None:
    order_id = lab.submit()
    put(tmp_path, HEAD + f"{order_id},in_progress,,,,a\u202eb,\n{order_id},,\u200b,,,,\n")
    lab.read_status()
    assert fetch_order(lab.orders, order_id).version == 1
    assert read_report(tmp_path).splitlines()[1:] == [
        "line 2: lab_word: Must not have characters that turn the direction of the text, "
        "such as U+202E.",
        "line 3: tray_number: Must not consist of invisible characters.",
    ]


def test_a_name_that_comes_again(lab: Lab, tmp_path: Path) -> None:
    order_id = lab.submit()
    for lab_status in ("on_hold", "in_progress", "on_hold"):
        path = put(tmp_path, HEAD + f"{order_id},{lab_status},,,,,\n")
        os.utime(path, (time.time(), lab.now.timestamp()))
        lab.read_status()
        assert fetch_order(lab.orders, order_id).lab_status == lab_status
    assert list_kinds(tmp_path) == {"in": 0, "done": 3, "failed": 0}


def test_several_processes_apply_a_file_once(lab: Lab, tmp_path: Path) -> None:
    ids = [lab.submit() for _ in range(4)]
    lines = "".join(f"{each},in_progress,,,,,\n{each},on_hold,,,,,\n" for each in ids)
    path = put(tmp_path, HEAD + lines)
    about = path.stat()
    before = {"status.csv": [about.st_size, int(about.st_mtime)]}

    def read(_: int) -> None:
        calls = BoundedCalls()
        read_status_files(lab.orders.database, calls, lab.id, before, lab.now, 30)

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(read, range(4)))
    for each in ids:
        found = fetch_order(lab.orders, each)
        assert (found.lab_status, found.version) == ("on_hold", 3)
    assert list_kinds(tmp_path) == {"in": 0, "done": 1, "failed": 0}


def test_a_process_killed_half_way_is_continued(
    lab: Lab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "BATCH_LINES", 2)
    ids = [lab.submit() for _ in range(5)]
    content = (HEAD + "".join(f"{each},in_progress,,,,,\n" for each in ids) + "x,y\n").encode()
    database, applied = lab.orders.database, list[Any]()
    apply_line = module._apply_line

    def die(*arguments: Any) -> Any:
        if len(applied) == 3:
            raise KeyboardInterrupt
        applied.append(arguments)
        return apply_line(*arguments)

    monkeypatch.setattr(module, "_apply_line", die)
    with pytest.raises(KeyboardInterrupt):
        apply_status_file(database, lab.id, "a.csv", content, "d" * 64, lab.now)
    found = [fetch_order(lab.orders, each).lab_status for each in ids]
    assert found == ["in_progress"] * 2 + ["submitted"] * 3
    monkeypatch.setattr(module, "_apply_line", apply_line)
    for _ in range(2):
        refused, lines = apply_status_file(database, lab.id, "a.csv", content, "d" * 64, lab.now)
        assert (refused, lines) == ([(7, "The line has 2 cells, and the first one 7.")], 6)
    found_again = [fetch_order(lab.orders, each) for each in ids]
    assert [(each.lab_status, each.version) for each in found_again] == [("in_progress", 2)] * 5


def test_a_file_that_cannot_be_moved_is_applied_once_and_told(lab: Lab, tmp_path: Path) -> None:
    order_id, other_id = lab.submit(), lab.submit()
    (tmp_path / "done").write_text("in the way")
    put(tmp_path, HEAD + f"{order_id},in_progress,,,,,\n", "a.csv")
    put(tmp_path, HEAD + f"{other_id},in_progress,,,,,\nx,shipped,,,,,\n", "b.csv")
    with capture_log() as lines:
        lab.read_status()
        assert "status files not read" in [line["event"] for line in lines()]
    assert fetch_order(lab.orders, other_id).lab_status == "in_progress"
    assert list_files(tmp_path / "in") == ["a.csv"]
    assert lab.find_poll().last_error == "missing"
    (tmp_path / "done").unlink()
    lab.move_on(minutes=5)
    lab.read_status()
    lab.move_on(minutes=5)
    lab.read_status()
    assert list_kinds(tmp_path) == {"in": 0, "done": 1, "failed": 2}
    assert fetch_order(lab.orders, order_id).version == 2
    assert lab.find_poll().last_error is None


def test_a_folder_that_is_away_is_told_and_read_again(lab: Lab, tmp_path: Path) -> None:
    (tmp_path / "in").rename(tmp_path / "away")
    lab.read_status()
    assert (lab.find_poll().last_error, lab.find_poll().attempts) == ("missing", 1)
    (tmp_path / "away").rename(tmp_path / "in")
    lab.move_on(minutes=1)
    lab.read_status()
    assert (lab.find_poll().last_error, lab.find_poll().attempts) == (None, 0)


def test_without_status_files_nothing_is_read(lab: Lab, tmp_path: Path) -> None:
    lab.connect({"folder": str(tmp_path), "status_files": False})
    assert lab.find_poll() is None
    calls = BoundedCalls()
    (tmp_path / "in").rmdir()
    with pytest.raises(AttemptFailed, match="missing"):
        read_status_files(lab.orders.database, calls, lab.id, {}, lab.now)
