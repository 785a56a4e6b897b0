"""Debian's PgBouncer in transaction mode, before a PostgreSQL of the bench."""

import os
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import make_url

PORT = 6543  # of the name of its socket
START_SECONDS = 30
POOL_CONNECTIONS = 20  # to PostgreSQL, for each database


@contextmanager
def run_pgbouncer(server_url: str) -> Iterator[tuple[Path, int]]:
    """Yield the folder of its socket, and its process; every database is reached through it."""
    program = shutil.which("pgbouncer") or "/usr/sbin/pgbouncer"
    if not Path(program).exists():
        raise RuntimeError("This needs PgBouncer: apt-get install pgbouncer")
    server = make_url(server_url).query
    folder = Path(tempfile.mkdtemp(prefix="bouncer-", dir="/tmp"))  # nosec B108  # a short path
    account = _write_configuration(folder, str(server["host"]), str(server.get("port", "5432")))
    process = subprocess.Popen([program, "-q", str(folder / "bouncer.ini")], **account)
    try:
        deadline = time.monotonic() + START_SECONDS
        while not _is_answered(folder / f".s.PGSQL.{PORT}"):
            if time.monotonic() > deadline or process.poll() is not None:
                raise RuntimeError("PgBouncer did not start")
            time.sleep(0.02)
        yield folder, process.pid
    finally:
        process.terminate()
        process.wait(START_SECONDS)
        shutil.rmtree(folder, ignore_errors=True)


def _write_configuration(folder: Path, host: str, port: str) -> dict[str, Any]:
    """Write it, and return what the process runs as: root is refused."""
    (folder / "users.txt").write_text('"postgres" ""\n')
    (folder / "bouncer.ini").write_text(
        f"""[databases]
* = host={host} port={port} user=postgres
[pgbouncer]
listen_addr =
unix_socket_dir = {folder}
listen_port = {PORT}
auth_type = trust
auth_file = {folder}/users.txt
pool_mode = transaction
default_pool_size = {POOL_CONNECTIONS}
max_client_conn = 1000
"""
    )
    if os.geteuid() != 0:
        return {}
    owner = Path(host).stat()
    for each in (folder, *folder.iterdir()):
        os.chown(each, owner.st_uid, owner.st_gid)
    return {"user": owner.st_uid, "group": owner.st_gid, "extra_groups": []}


def route_through(url: str, folder: Path) -> str:
    """Return the URL of a database by way of the PgBouncer in `folder`."""
    through = make_url(url).set(query={"host": str(folder), "port": str(PORT)})
    return through.render_as_string(hide_password=False)


def _is_answered(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX) as client:
        return client.connect_ex(str(path)) == 0
