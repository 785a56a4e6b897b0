"""`python -m demo`: migrate, load the demo data, start all four processes, print a guide."""

import os
import sys
import threading
import time
import tomllib
import urllib.error
import urllib.request
from importlib import import_module
from pathlib import Path

from honcho import manager
from honcho.environ import parse_procfile

from chassis.cli.service import Service
from chassis.store.database import Database
from chassis.store.migrations import migrate

HERE = Path(__file__).parent
LISTEN = {
    "sessions": "127.0.0.1:50051",
    "orders": "127.0.0.1:50052",
    "subscriptions": "127.0.0.1:50053",
}
STARTUP_SECONDS = 60
SETTLE_SECONDS = 1  # for the gateway's other worker to find the services
manager.KILL_WAIT = 15  # seconds for a process to drain: more than a service's own grace

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


def main() -> int:
    """Run until Ctrl-C; returns the exit code."""
    environment = dict(os.environ)
    data = environment.setdefault("DATA_DIR", "data")
    for name, address in LISTEN.items():
        listen = environment.setdefault(f"{name.upper()}_LISTEN", address)
        environment.setdefault(f"GATEWAY_{name.upper()}_ADDR", listen)
        prepare(
            name, environment.get(f"{name.upper()}_DATABASE_URL") or f"sqlite:///{data}/{name}.db"
        )
    bind = environment.setdefault("GATEWAY_BIND", "127.0.0.1:8080")
    url = environment.setdefault("GATEWAY_PUBLIC_URL", f"http://{bind}")
    environment["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{environment['PATH']}"
    environment["PYTHONUNBUFFERED"] = "1"

    processes = manager.Manager()
    for name, command in parse_procfile((HERE.parent / "Procfile").read_text()).processes.items():
        processes.add_process(name, command, env=environment)
    threading.Thread(target=welcome, args=(f"http://{bind}", url), daemon=True).start()
    processes.loop()
    was_stopped_by_user = processes.returncode in (130, 143)
    return 0 if was_stopped_by_user else int(processes.returncode or 0)


def prepare(name: str, url: str) -> None:
    """Migrate a service's store, and load its demo data."""
    service: Service = import_module(f"{name}_svc.__main__").SERVICE
    reference = service.reference.load(tomllib.loads((HERE / f"{name}.toml").read_text()))
    database = Database(url)
    migrate(database, service.migrations)
    with database.write() as tx:
        service.load(tx, reference)
    database.close()


def welcome(bound: str, url: str) -> None:
    """Wait until everything is ready, then print how to call it."""
    end = time.monotonic() + STARTUP_SECONDS
    while time.monotonic() < end:
        try:
            with urllib.request.urlopen(f"{bound}/readyz", timeout=2):
                break
        except (urllib.error.URLError, ConnectionError, TimeoutError):
            time.sleep(0.3)
    else:
        print(
            f"Not ready after {STARTUP_SECONDS} s; {bound}/readyz lists what fails.",
            file=sys.stderr,
        )
        return
    time.sleep(SETTLE_SECONDS)
    print(WELCOME.format(url=url), flush=True)


if __name__ == "__main__":
    sys.exit(main())
