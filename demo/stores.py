"""The stores of the demo: where they are, and how they are migrated and loaded.

`python -m demo.stores` prepares all of them. The launcher runs it as a process of its own: what it
loads takes 80 MB, which the launcher would keep for as long as it runs. So the functions import
what only they need, and the launcher can ask this module where the stores are.
"""

import gc
import os
import signal
import tomllib
from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

from chassis.settings.variables import read_secret

if TYPE_CHECKING:
    from chassis.cli.service import Service

HERE = Path(__file__).parent
SERVICES = ("sessions", "orders", "subscriptions")


def find_stores(environment: Mapping[str, str]) -> dict[str, str]:
    """Return the URL of each service's store; by default a file in DATA_DIR."""
    data = environment["DATA_DIR"]
    return {
        name: read_secret(environment, f"{name.upper()}_DATABASE_URL")
        or f"sqlite:///{data}/{name}.db"
        for name in SERVICES
    }


def prepare_all(stores: Mapping[str, str], *, reset: bool = False) -> None:
    """Bring every store to this version, with the demo data."""
    for name, url in stores.items():
        prepare(name, url, reset=reset)


def prepare(name: str, url: str, *, reset: bool = False) -> None:
    """Bring a store to this version; load the demo data where there is none, or at a `reset`."""
    from chassis.store.database import Database
    from chassis.store.migrations import migrate
    from chassis.store.reference_cache import invalidate

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


def main() -> None:
    """Prepare the stores of this environment, and end."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # Ctrl-C ends it without a traceback
    # No garbage is worth collecting in this one second, nor at its end: that would take 0.4 s.
    gc.disable()
    prepare_all(find_stores(os.environ))
    gc.freeze()


if __name__ == "__main__":
    main()
