"""A folder without space: nothing is left in it, and the job goes out once there is some."""

import subprocess
import sys
from pathlib import Path

from orders_svc.notices.transport.files import deliver_file
from orders_svc.notices.transport.folder import Folder
from tests.orders_svc.transport.labs import list_files

ROOT = Path(__file__).parents[3]
FULL = """
import resource, signal, sys
from chassis.events.addresses import AttemptFailed
from orders_svc.notices.transport.files import deliver_file
from orders_svc.notices.transport.folder import Folder
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (10, 10))
try:
    deliver_file(Folder(), sys.argv[1], "a.oma", b"x" * 100)
except AttemptFailed as failure:
    print(failure.reason)
"""


def test_a_full_folder(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", FULL, str(tmp_path)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert done.stdout == "full\n"
    assert list_files(tmp_path) == []
    for _ in range(2):
        deliver_file(Folder(), str(tmp_path), "a.oma", b"x" * 100)
    assert list_files(tmp_path) == ["a.oma"]
    assert (tmp_path / "a.oma").read_bytes() == b"x" * 100
