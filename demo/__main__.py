"""`python -m demo`: migrate, load the demo data, start all four processes, print a guide."""

import os
import signal
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

from chassis.cli.service import Service
from chassis.cli.workers import own_addresses
from chassis.store.database import Database
from chassis.store.migrations import migrate
from chassis.store.reference_cache import invalidate
from chassis.supervisor import Supervisor
from demo.procfile import find_busy_address, read_procfile

HERE = Path(__file__).parent
LISTEN = {
    "sessions": "127.0.0.1:50051",
    "orders": "127.0.0.1:50052",
    "subscriptions": "127.0.0.1:50053",
}
STARTUP_SECONDS = 60
SETTLE_SECONDS = 1  # for the gateway's other worker to find the services

WELCOME = """
Optigate is up: {url}      (Ctrl-C drains and stops)

  sessions        demo-partner / demo-partner-secret
  orders          demo-client / demo-client-secret, User-Email: optician@example.com
  subscriptions   demo-merchant / demo-merchant-secret
  staff RPCs      demo-staff / demo-staff-secret
  dashboard       {url}/orders, optician@example.com / demo-password

A vision-test session:
  sed "s/session1/session-$(date +%s)/" demo/session.json |
    curl -i -u demo-partner:demo-partner-secret {url}/api/v2/partners/sessions -d @-

An eyeglass order:
  TOKEN=$(curl -s {url}/v1/oauth/token \\
    -d '{{"client_id": "demo-client", "client_secret": "demo-client-secret"}}' |
    sed 's/.*"token":"\\([^"]*\\)".*/\\1/')
  curl -i {url}/v1/orders -H "Authorization: Bearer $TOKEN" \\
    -H "User-Email: optician@example.com" -d @demo/order.json

A contact-lens subscription:
  sed "s/ref001-5/ref-$(date +%s)/" demo/subscription.json |
    curl -i -u demo-merchant:demo-merchant-secret {url}/api/public/v1/subscriptions -d @-
"""


def main(arguments: Sequence[str]) -> int:
    """Run until Ctrl-C; returns the exit code. `reset` reloads the demo data and ends."""
    environment = dict(os.environ)
    data = environment.setdefault("DATA_DIR", "data")
    addresses = {"GATEWAY_BIND": environment.setdefault("GATEWAY_BIND", "127.0.0.1:8080")}
    workers = int(environment.get("WORKERS", "1"))
    stores = {}
    for name, address in LISTEN.items():
        listen = environment.setdefault(f"{name.upper()}_LISTEN", address)
        own = own_addresses(name, Path(data), workers) if workers > 1 else [listen]
        environment.setdefault(f"GATEWAY_{name.upper()}_ADDR", ",".join(own))
        addresses[f"{name.upper()}_LISTEN"] = listen
        given = environment.get(f"{name.upper()}_DATABASE_URL")
        stores[name] = given or f"sqlite:///{data}/{name}.db"
    if arguments == ["reset"]:
        for name, store in stores.items():
            prepare(name, store, reset=True)
        return 0
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
    url = environment.setdefault("GATEWAY_PUBLIC_URL", f"http://{bind}")
    environment["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{environment['PATH']}"
    environment.setdefault("LOG_DIR", f"{data}/logs")
    environment.setdefault("REFLECTION", "on")
    supervisor = Supervisor(read_procfile(HERE.parent / "Procfile"), environment)
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda *_: supervisor.stop.set())
    threading.Thread(target=welcome, args=(f"http://{bind}", url), daemon=True).start()
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
        with urllib.request.urlopen(f"{bound}/readyz", timeout=2):  # nosec B310  # http
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
    print(WELCOME.format(url=url), flush=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
