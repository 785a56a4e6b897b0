"""The demo data: loaded where there is none, and set back when asked."""

import os
import subprocess
import sys
import tomllib
from pathlib import Path

from sqlalchemy import select

from chassis.store.database import Database
from demo.stores import HERE, prepare
from subscriptions_svc.definition import SERVICE
from subscriptions_svc.store.tables import merchants


def merchant_names(url: str) -> set[str]:
    """The names of all merchants of a store."""
    database = Database(url)
    with database.read() as tx:
        names = set(tx.execute(select(merchants.c.name)).scalars())
    database.close()
    return names


def rename_merchant(url: str, name: str) -> None:
    """Load the demo data with another name, as an operator may."""
    values = tomllib.loads((HERE / "subscriptions.toml").read_text())
    values["merchants"][0]["name"] = name
    database = Database(url)
    with database.write() as tx:
        SERVICE.load(tx, SERVICE.reference.load(values))
    database.close()


def test_demo_data_is_loaded_once_and_set_back_when_asked(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/subscriptions.db"
    prepare("subscriptions", url)
    assert "Tienda Moderna" in merchant_names(url)
    rename_merchant(url, "Tienda Propia")
    prepare("subscriptions", url)
    assert "Tienda Propia" in merchant_names(url)
    done = subprocess.run(
        [sys.executable, "-m", "demo", "reset"],
        cwd=HERE.parent,
        env={**os.environ, "DATA_DIR": str(tmp_path)},
        check=False,
    )
    assert done.returncode == 0
    assert "Tienda Propia" not in merchant_names(url)
    assert "Tienda Moderna" in merchant_names(url)
