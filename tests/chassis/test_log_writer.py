"""Log lines never make a call wait, and never break one."""

import errno
import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from chassis.log_writer import FolderSink, LogWriter, StreamSink
from tests.chaos.product import wait_for

ROOT = Path(__file__).parents[2]


def say_dropped(count: int) -> str:
    return f"dropped {count}"


class Slow:
    """A sink that a test opens."""

    def __init__(self) -> None:
        self.reader, writer = os.pipe()
        self.sink = StreamSink(writer)

    def close(self) -> None:
        os.close(self.reader)
        os.close(self.sink.descriptor)


def read_lines(folder: Path) -> list[str]:
    files = sorted(folder.glob("*.jsonl"), key=lambda path: path.stat().st_mtime_ns)
    return [line for path in files for line in path.read_text().splitlines()]


def test_lines_are_written_in_order_and_flushed_at_the_end(tmp_path: Path) -> None:
    writer = LogWriter(FolderSink(tmp_path / "logs", "orders"), say_dropped)
    for number in range(2000):
        writer.write(str(number))
    writer.close()
    assert (tmp_path / "logs" / "orders.jsonl").read_text().splitlines() == [
        str(number) for number in range(2000)
    ]
    assert (tmp_path / "logs").stat().st_mode & 0o777 == 0o700
    assert (tmp_path / "logs" / "orders.jsonl").stat().st_mode & 0o777 == 0o600


class Kept:
    """A sink that keeps what it is given."""

    def __init__(self) -> None:
        self.written: list[bytes] = []

    def write(self, data: bytes) -> None:
        self.written.append(data)


def test_a_busy_process_writes_lines_together_but_an_error_at_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("chassis.log_writer.PAUSE_SECONDS", 60)
    monkeypatch.setattr("chassis.log_writer.BUSY_LINES", 1)
    sink = Kept()
    writer = LogWriter(sink, say_dropped)
    writer.write("first")
    wait_for(lambda: sink.written, "the first line waits")
    writer.write("second")
    writer.write("third")
    time.sleep(0.2)  # without it the test proves less, and passes
    assert sink.written == [b"first\n"]
    writer.write_at_once("error")
    wait_for(lambda: len(sink.written) > 1, "the error waits")
    writer.write("last")
    writer.close(seconds=30)
    assert b"".join(sink.written) == b"first\nsecond\nthird\nerror\nlast\n"


def test_a_quiet_process_writes_each_line_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("chassis.log_writer.PAUSE_SECONDS", 60)
    sink = Kept()
    writer = LogWriter(sink, say_dropped)
    for count in range(1, 4):
        writer.write_at_once("error") if count == 2 else writer.write("line")
        wait_for(lambda count=count: len(sink.written) == count, "a line waits")  # type: ignore[misc]
    writer.close()


def test_a_pipe_that_nobody_reads_costs_lines_and_no_time() -> None:
    slow = Slow()
    writer = LogWriter(slow.sink, say_dropped, max_lines=100)
    began = time.process_time()
    for number in range(20_000):
        writer.write(f"{number} " + "x" * 100)
    assert time.process_time() - began < 5
    assert writer.dropped > 0
    began = time.monotonic()
    writer.close(0.1)
    assert time.monotonic() - began < 30
    read = os.read(slow.reader, 1 << 20)
    while b"dropped" not in read:
        read += os.read(slow.reader, 1 << 20)
    slow.close()


def test_a_closed_descriptor_is_counted() -> None:
    reader, descriptor = os.pipe()
    os.close(reader)
    os.close(descriptor)
    writer = LogWriter(StreamSink(descriptor), say_dropped)
    writer.write("lost")
    writer.close()
    assert writer.failed == 1


def test_files_are_rotated_and_bounded(tmp_path: Path) -> None:
    sink = FolderSink(tmp_path, "orders", max_bytes=1000)
    for number in range(100):
        sink.write(f"{number:03} {'x' * 95}\n".encode())
    names = sorted(path.name for path in tmp_path.iterdir())
    assert names == [*(f"orders.{age}.jsonl" for age in range(1, 6)), "orders.jsonl"]
    assert all(path.stat().st_size <= 1000 for path in tmp_path.iterdir())
    assert read_lines(tmp_path)[-1].startswith("099")


def test_a_file_that_was_removed_is_made_anew_and_rotated_ones_stay(tmp_path: Path) -> None:
    sink = FolderSink(tmp_path, "orders", max_bytes=100)
    for number in range(4):
        sink.write(f"{number} {'x' * 60}\n".encode())
    rotated = {path.name: path.read_text() for path in tmp_path.glob("orders.?.jsonl")}
    sink.path.unlink()
    sink.write(f"4 {'x' * 60}\n".encode())
    assert read_lines(tmp_path)[-1].startswith("4 ")
    assert {path.name: path.read_text() for path in tmp_path.glob("orders.?.jsonl")} == rotated


def test_a_file_that_cannot_be_made_is_made_later_and_rotated_ones_stay(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sink = FolderSink(tmp_path, "orders", max_bytes=100)
    for number in range(3):
        sink.write(f"{number} {'x' * 60}\n".encode())

    def refuse(*_: object) -> int:
        raise OSError(errno.EMFILE, "too many open files")

    with monkeypatch.context() as patched:
        patched.setattr("chassis.log_writer.os.open", refuse)
        for _ in range(10):
            with pytest.raises(OSError, match="too many open files"):
                sink.write(f"lost {'x' * 60}\n".encode())
    sink.write(f"3 {'x' * 60}\n".encode())
    names = ("orders.3.jsonl", "orders.2.jsonl", "orders.1.jsonl", "orders.jsonl")
    assert [(tmp_path / name).read_text()[0] for name in names] == ["0", "1", "2", "3"]


def test_each_process_has_a_file_of_its_own(tmp_path: Path) -> None:
    first, second = FolderSink(tmp_path, "gateway"), FolderSink(tmp_path, "gateway")
    assert (first.path.name, second.path.name) == ("gateway.jsonl", "gateway-2.jsonl")
    os.close(first.descriptor)
    assert FolderSink(tmp_path, "gateway").path.name == "gateway.jsonl"


def test_a_folder_that_cannot_be_used_costs_lines_until_it_can(tmp_path: Path) -> None:
    folder = tmp_path / "logs"
    folder.touch()
    sink = FolderSink(folder, "orders")
    assert isinstance(sink.trouble, FileExistsError)
    writer = LogWriter(sink, say_dropped)
    writer.write("lost")
    wait_for(lambda: writer.failed == 1, "the line is not counted")
    folder.unlink()
    writer.write("kept")
    writer.close()
    assert (writer.failed, read_lines(folder)) == (1, ["kept"])


SCRIPT = """
import os, sys
from pathlib import Path
from chassis import telemetry
{before}
telemetry.configure("probe", folder={folder})
for number in range(3):
    telemetry.log().info("rpc", ms=number)
telemetry.log().warning("slow", reason="TEST")
telemetry.log().info("listening", address="here")
"""


def run(before: str = "", folder: Path | None = None) -> subprocess.CompletedProcess[str]:
    script = SCRIPT.format(before=before, folder=f"Path({str(folder)!r})" if folder else None)
    return subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, cwd=ROOT, check=False
    )


def test_a_process_writes_its_lines_before_it_ends() -> None:
    done = run()
    assert done.returncode == 0
    assert [json.loads(line)["event"] for line in done.stdout.splitlines()] == [
        *["rpc"] * 3,
        "slow",
        "listening",
    ]


def test_with_a_folder_the_terminal_shows_what_matters_in_words(tmp_path: Path) -> None:
    done = run(folder=tmp_path)
    assert (done.returncode, done.stdout) == (0, "")
    assert done.stderr.splitlines() == [
        "probe: warning: slow reason=TEST",
        "probe: listening address=here",
    ]
    assert len(read_lines(tmp_path)) == 5


def test_a_folder_that_cannot_be_used_is_named_once(tmp_path: Path) -> None:
    folder = tmp_path / "logs"
    folder.touch()
    done = run(folder=folder)
    assert done.returncode == 0
    assert done.stderr.splitlines() == [
        "probe: warning: log lines are lost until LOG_DIR can be used"
        f" reason=[Errno 17] File exists: '{folder}'",
        "probe: warning: slow reason=TEST",
        "probe: listening address=here",
    ]


@pytest.mark.parametrize("descriptor", [1, 2])
def test_a_closed_terminal_breaks_nothing(descriptor: int, tmp_path: Path) -> None:
    done = run(f"os.close({descriptor})", tmp_path if descriptor == 2 else None)
    assert done.returncode in (0, 120)  # 120: Python itself could not flush its streams
