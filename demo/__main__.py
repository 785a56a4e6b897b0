"""`python -m demo`: migrate, load the demo data, start all four processes, print a guide."""

import json
import os
import re
import signal
import ssl
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from math import inf
from pathlib import Path

from chassis.locks import hold_file
from chassis.settings.transport import is_local
from chassis.settings.workers import UNIX, can_reach, list_sockets
from chassis.supervisor import Supervisor, print_line
from demo.procfile import find_bad_address, find_busy_address, read_procfile
from demo.stores import find_stores, prepare_all

HERE = Path(__file__).parent
GUIDE = HERE / "guide.json"  # the page at / shows it too
BIND = "127.0.0.1:8080"
LISTEN = {
    "sessions": "127.0.0.1:50051",
    "orders": "127.0.0.1:50052",
    "subscriptions": "127.0.0.1:50053",
}
STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
LOCK = "launcher.lock"  # in the data folder: one copy has its stores and sockets there
HOLD_SECONDS = 5.0  # for a predecessor that ends
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
    data = environment["DATA_DIR"] = environment.get("DATA_DIR") or "data"
    asked = environment["WORKERS"] = environment.get("WORKERS") or "1"
    if not (asked.isascii() and asked.isdecimal() and int(asked)):
        return refuse(f"WORKERS is {asked}, and must be a number of processes, such as 2.")
    workers = int(asked)
    addresses = choose_addresses(environment)
    for name in LISTEN:
        if workers > 1:
            own = list_sockets(name, Path(data), workers)
            environment.setdefault(f"GATEWAY_{name.upper()}_ADDR", ",".join(own))
        else:
            choose_hop(name, environment)
    stores = find_stores(environment)
    if arguments == ["reset"]:
        prepare_all(stores, reset=True)
        return 0
    on_sqlite = [name for name, store in stores.items() if store.startswith("sqlite")]
    if workers > 1 and on_sqlite:
        return refuse(
            f"WORKERS={workers} needs PostgreSQL: on SQLite a service is one process. Set"
            f" {', '.join(f'{name.upper()}_DATABASE_URL' for name in on_sqlite)}, or leave WORKERS"
            " unset."
        )
    if bad := find_bad_address(addresses):
        return refuse(
            f"{bad} is {addresses[bad]}, and must be host:port here, such as 127.0.0.1:8080 or"
            " [::1]:8080."
        )
    if busy := find_busy_address(addresses):
        return refuse(
            f"{addresses[busy]} is in use, or not an address of this machine. Set {busy} to another"
            " one, or stop what listens there."
        )
    return run(environment, data)


def refuse(sentence: str) -> int:
    """Print why nothing is started, and return the exit code."""
    print(f"{sentence} Nothing was started or changed.", file=sys.stderr)
    return 1


def run(environment: dict[str, str], data: str) -> int:
    """Prepare the stores and serve, as the only copy in the data folder.

    No child inherits the lock: it ends with this process, even one that is killed.
    """
    for number in STOP_SIGNALS:
        signal.signal(number, _exit_by_signal)
    with ExitStack() as held:
        try:
            held.enter_context(hold_file(Path(data) / LOCK, HOLD_SECONDS))
        except BlockingIOError:
            return refuse(
                f"Another copy runs in {data}. Set DATA_DIR to another folder, or stop that copy."
            )
        except OSError as error:
            return refuse(f"DATA_DIR is {data}, which cannot be used: {error.strerror}.")
        return prepare_stores(environment) or serve(environment, data)


def choose_addresses(environment: dict[str, str]) -> dict[str, str]:
    """Set where everything listens that is not set, and return the addresses by variable."""
    bind = environment.get("GATEWAY_BIND") or BIND
    # No host is every address, to gunicorn; as a name it is part of URLs.
    environment["GATEWAY_BIND"] = f"0.0.0.0{bind}" if bind.startswith(":") else bind  # nosec B104
    addresses = {"GATEWAY_BIND": environment["GATEWAY_BIND"]}
    metrics = {"GATEWAY_METRICS_LISTEN": environment.get("GATEWAY_METRICS_LISTEN")}
    for name, address in LISTEN.items():
        listen = environment.get(f"{name.upper()}_LISTEN") or address
        environment[f"{name.upper()}_LISTEN"] = addresses[f"{name.upper()}_LISTEN"] = listen
        metrics[f"{name.upper()}_METRICS_LISTEN"] = environment.get(
            f"{name.upper()}_METRICS_LISTEN"
        )
    return addresses | {variable: listen for variable, listen in metrics.items() if listen}


def choose_hop(name: str, environment: dict[str, str]) -> None:
    """Set where the gateway calls a service of one process: a socket, or its port."""
    gateway = f"GATEWAY_{name.upper()}_ADDR"
    is_chosen = (
        gateway in environment or environment.get(f"{name.upper()}_LISTEN_SOCKET") is not None
    )
    (address,) = list_sockets(name, Path(environment["DATA_DIR"]), 1)
    if not is_chosen and can_reach(address):
        environment[f"{name.upper()}_LISTEN_SOCKET"] = address.removeprefix(UNIX)
        environment[gateway] = address
    environment.setdefault(gateway, environment[f"{name.upper()}_LISTEN"])


def prepare_stores(environment: Mapping[str, str]) -> int:
    """Run `demo.stores` as a process of its own, and return its exit code."""
    with subprocess.Popen([sys.executable, "-m", "demo.stores"], env=environment) as child:
        try:
            code = child.wait()
        finally:
            child.terminate()
    if code < 0:
        print(f"{signal.Signals(-code).name} ended the preparation.", file=sys.stderr)
        return 128 - code
    return code


def _exit_by_signal(number: int, _frame: object) -> None:
    sys.exit(128 + number)


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
    for number in STOP_SIGNALS:
        signal.signal(number, lambda *_: supervisor.stop.set())
    threading.Thread(target=welcome, args=(bound, url), daemon=True).start()
    return supervisor.run()


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
