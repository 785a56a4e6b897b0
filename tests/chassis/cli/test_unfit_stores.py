"""What a command says of a store that it cannot use: a sentence, and nothing is created."""

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from orders_svc.__main__ import cli as orders
from sessions_svc.__main__ import cli as sessions

SUPPORTED = "use sqlite:///FILE or postgresql+psycopg://USER@HOST/DATABASE."
NEWER = "The schema is newer than this version of orders_svc: update it, or restore a backup of"
ADVICE = "check DATA_DIR and DATABASE_URL."


def run(cli: Any, *words: str) -> tuple[int, str, str]:
    """The exit code and what a command prints."""
    done = CliRunner().invoke(cli, words)
    return done.exit_code, done.stdout, done.stderr


@pytest.mark.parametrize(
    "words", [["accounts", "list"], ["serve"], ["dispatch"], ["events", "list"], ["audit", "list"]]
)
def test_a_store_that_is_missing_is_not_created(words: list[str], tmp_path: Path) -> None:
    folder = tmp_path / "wrong"
    assert run(orders, "--data-dir", str(folder), *words) == (
        1,
        "",
        f"Error: There is no store at {folder}/orders.db: run `python -m orders_svc migrate`, or"
        " set DATA_DIR or DATABASE_URL to where it is.\n",
    )
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("words", [["accounts", "list"], ["migrate"]])
@pytest.mark.parametrize(
    ("url", "told"),
    [
        ("mysql://u:secret@h/x", f"mysql is not supported; {SUPPORTED}"),
        ("postgresql+asyncpg://h/x", f"postgresql+asyncpg is not supported; {SUPPORTED}"),
        ("nonsense", f"it cannot be read as a URL; {SUPPORTED}"),
    ],
)
def test_an_unsupported_url_names_the_supported_ones(
    url: str, told: str, words: list[str], tmp_path: Path
) -> None:
    done = run(orders, "--database-url", url, *words)
    assert done == (1, "", f"Error: DATABASE_URL: {told}\n")


@pytest.mark.parametrize("words", [["accounts", "list"], ["migrate"]])
def test_a_file_that_is_no_database_is_left_alone(words: list[str], tmp_path: Path) -> None:
    file = tmp_path / "notes.txt"
    file.write_text("Not a database, but a text of some length.\n" * 9)
    before = file.read_bytes()
    done = run(orders, "--database-url", f"sqlite:///{file}", *words)
    assert done == (1, "", f"Error: {file} is not an SQLite database: {ADVICE}\n")
    assert file.read_bytes() == before


@pytest.mark.parametrize("words", [["accounts", "list"], ["migrate"]])
def test_the_store_of_another_service_is_left_alone(words: list[str], tmp_path: Path) -> None:
    assert run(sessions, "--data-dir", str(tmp_path), "migrate")[0] == 0
    file = tmp_path / "sessions.db"
    done = run(orders, "--database-url", f"sqlite:///{file}", *words)
    assert done == (1, "", f"Error: {file} is no store of orders: {ADVICE}\n")


def test_migrate_says_what_it_did(tmp_path: Path) -> None:
    folder = str(tmp_path)
    code, told, _ = run(orders, "--data-dir", folder, "migrate")
    assert (code, told.startswith("orders: the schema is at ")) == (0, True)
    assert told.endswith(", was empty\n")
    again = run(orders, "--data-dir", folder, "migrate")
    assert again == (0, told.replace(", was empty", " already"), "")


@pytest.mark.parametrize("words", [["accounts", "list"], ["migrate"]])
def test_a_newer_schema_is_left_alone(words: list[str], tmp_path: Path) -> None:
    run(orders, "--data-dir", str(tmp_path), "migrate")
    with closing(sqlite3.connect(tmp_path / "orders.db")) as store:
        store.execute("UPDATE alembic_version SET version_num = '9999'")
        store.commit()
    done = run(orders, "--data-dir", str(tmp_path), *words)
    assert done == (1, "", f"Error: {NEWER} before.\n")


def test_doctor_does_not_advise_to_migrate_the_store_of_another_service(tmp_path: Path) -> None:
    run(sessions, "--data-dir", str(tmp_path), "migrate")
    url = f"sqlite:///{tmp_path}/sessions.db"
    code, told, _ = run(orders, "--database-url", url, "--data-dir", str(tmp_path), "doctor")
    assert code == 2
    assert f"fault: The store is not one of orders_svc: {ADVICE}\n" in told
    assert "migrate" not in told
