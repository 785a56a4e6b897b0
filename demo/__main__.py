"""`python -m demo`: migrate, load the demo data, start all four processes, print a guide."""

import json
import os
import re
import signal
import ssl
import sys
import threading
import time
import tomllib
import urllib.error
import urllib.request
from collections.abc import Sequence
from importlib import import_module
from math import inf
from pathlib import Path

from chassis.cli.processes.workers import list_own_addresses
from chassis.cli.service import Service
from chassis.settings.transport import is_local
from chassis.settings.variables import read_secret
from chassis.store.database import Database
from chassis.store.migrations import migrate
from chassis.store.reference_cache import invalidate
from chassis.supervisor import Supervisor, print_line
from demo.procfile import find_busy_address, read_procfile

HERE = Path(__file__).parent
GUIDE = HERE / "guide.json"  # the page at / shows it too
LISTEN = {
    "sessions": "127.0.0.1:50051",
    "orders": "127.0.0.1:50052",
    "subscriptions": "127.0.0.1:50053",
}
STARTUP_SECONDS = 60
SETTLE_SECONDS = 1  # for the gateway's other worker to find the services

WELCOME = """
Optigate is up: {url}      (Ctrl-C drains and stops)

{credentials}

{links}

{calls}
"""


def main(arguments: Sequence[str]) -> int:
    """Run until Ctrl-C; returns the exit code. `reset` reloads the demo data and ends."""
    environment = dict(os.environ)
    data = environment.setdefault("DATA_DIR", "data")
    addresses = {"GATEWAY_BIND": environment.setdefault("GATEWAY_BIND", "127.0.0.1:8080")}
    workers = int(environment.get("WORKERS", "1"))
    stores = {}
    metrics = {"GATEWAY_METRICS_LISTEN": environment.get("GATEWAY_METRICS_LISTEN")}
    for name, address in LISTEN.items():
        listen = environment.setdefault(f"{name.upper()}_LISTEN", address)
        own = list_own_addresses(name, Path(data), workers) if workers > 1 else [listen]
        environment.setdefault(f"GATEWAY_{name.upper()}_ADDR", ",".join(own))
        addresses[f"{name.upper()}_LISTEN"] = listen
        given = read_secret(environment, f"{name.upper()}_DATABASE_URL")
        stores[name] = given or f"sqlite:///{data}/{name}.db"
        metrics[f"{name.upper()}_METRICS_LISTEN"] = environment.get(
            f"{name.upper()}_METRICS_LISTEN"
        )
    addresses |= {variable: listen for variable, listen in metrics.items() if listen}
    if arguments == ["reset"]:
        for name, store in stores.items():
            prepare(name, store, reset=True)
        return 0
    on_sqlite = [name for name, store in stores.items() if store.startswith("sqlite")]
    if workers > 1 and on_sqlite:
        print(
            f"WORKERS={workers} needs PostgreSQL: on SQLite a service is one process. Set"
            f" {', '.join(f'{name.upper()}_DATABASE_URL' for name in on_sqlite)}, or leave WORKERS"
            " unset. Nothing was started or changed.",
            file=sys.stderr,
        )
        return 1
    if busy := find_busy_address(addresses):
        print(
            f"{addresses[busy]} is in use. Set {busy} to another address, or stop what listens"
            " there. Nothing was started or changed.",
            file=sys.stderr,
        )
        return 1
    for name, store in stores.items():
        prepare(name, store)
    return serve(environment, data)


def serve(environment: dict[str, str], data: str) -> int:
    """Start the processes of the Procfile, and stop them at SIGINT or SIGTERM."""
    bind = environment["GATEWAY_BIND"]
    bound = f"{'https' if environment.get('GATEWAY_TLS_CERT') else 'http'}://{bind}"
    if is_local(bind):
        environment.setdefault("GATEWAY_PUBLIC_URL", bound)
    url = environment.get("GATEWAY_PUBLIC_URL", bound)
    environment["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{environment['PATH']}"
    environment.setdefault("LOG_DIR", f"{data}/logs")
    environment.setdefault("REFLECTION", "on")
    environment.setdefault("GATEWAY_DEMO", str(GUIDE))
    supervisor = Supervisor(read_procfile(HERE / "Procfile"), environment)
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda *_: supervisor.stop.set())
    threading.Thread(target=welcome, args=(bound, url), daemon=True).start()
    return supervisor.run()


def prepare(name: str, url: str, *, reset: bool = False) -> None:
    """Bring a store to this version; load the demo data where there is none, or at a `reset`."""
    service: Service = import_module(f"{name}_svc.definition").SERVICE
    reference = service.reference.load(tomllib.loads((HERE / f"{name}.toml").read_text()))
    database = Database(url)
    migrate(database, service.migrations)
    with database.write() as tx:
        present = {row.name for row in service.accounts.all(tx)}
        if reset or present.isdisjoint(account["name"] for account in reference["accounts"]):
            service.load(tx, reference)
            invalidate(tx, service.changes)
    database.close()


def is_ready(bound: str) -> bool:
    """Whether the gateway there and all services behind it are ready."""
    try:
        # Whatever name its certificate is for: this machine is asked.
        context = ssl._create_unverified_context()  # nosec B323
        with urllib.request.urlopen(  # nosec B310
            f"{bound}/readyz", timeout=2, context=context
        ):
            return True
    except (urllib.error.URLError, ConnectionError, TimeoutError):
        return False


def welcome(bound: str, url: str) -> None:
    """Wait until everything is ready, then print how to call it."""
    late = time.monotonic() + STARTUP_SECONDS
    while not is_ready(bound):
        if time.monotonic() > late:
            late = inf
            print(
                f"Not ready after {STARTUP_SECONDS} s; {bound}/readyz lists what fails.",
                file=sys.stderr,
            )
        time.sleep(0.3)
    time.sleep(SETTLE_SECONDS)
    print_line(write_guide(url))


def write_guide(url: str) -> str:
    """Return the demo's credentials, links and calls, for a terminal."""
    guide = json.loads(GUIDE.read_text())
    lines = [
        f"  {name:<15} {each['name']} / {each['secret']}"
        + (f", User-Email: {each['user_email']}" if "user_email" in each else "")
        for name, each in guide["credentials"].items()
    ]
    links = [f"  {each['name']:<15} {each['text']}" for each in guide["links"]]
    calls = [
        f"{call['title']}:\n" + "\n".join(f"  {line}" for line in call["lines"])
        for call in guide["calls"]
    ]
    return WELCOME.format(
        url=url,
        credentials="\n".join(lines),
        links="\n".join(links).replace("{url}", url),
        calls=_find_bodies("\n\n".join(calls)).replace("{url}", url),
    )


def _find_bodies(calls: str) -> str:
    """Name the files of the calls by where they are, unless the working folder has them."""
    if Path("demo/order.json").exists():
        return calls
    return re.sub(r"\bdemo/(?=\w+\.json)", f"{HERE}/", calls)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
