"""A conflict that PostgreSQL ends is repeated wherever something is written: nobody sees it."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from optigate.command import cli
from protos import orders_pb2 as pb
from tests.chassis.store.collisions import collide
from tests.orders_svc.bodies import Body, request
from tests.serving import USERS, Served

STATES = pytest.mark.parametrize("state", ["40001", "40P01"])


@pytest.fixture(scope="module")
def engine() -> str:
    """SQLite has one writer at a time."""
    return "postgresql"


@pytest.fixture
def run(orders: Served, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Result]:
    """Runs a command of the service on its store."""
    url = orders.database.url.render_as_string(hide_password=False)
    monkeypatch.setenv("ORDERS_DATABASE_URL", url)
    monkeypatch.setenv("DATABASE_URL", url)
    return lambda *words: CliRunner().invoke(cli, words)


@STATES
def test_a_login_succeeds(orders: Served, state: str) -> None:
    login = pb.LogInRequest(email=USERS["client"], password="demo-password", address="192.0.2.7")
    for write, table in [("INSERT", "login_attempts"), ("INSERT", "dashboard_sessions")]:
        with collide(orders.database, write, table, state=state):
            assert orders.call("LogIn", login, "", kind="Dashboard").token


@STATES
def test_an_order_is_created_once(orders: Served, frame_order: Body, lab: Body, state: str) -> None:
    with collide(orders.database, "INSERT", "orders", state=state):
        made = orders.call("CreateOrder", request({**frame_order, **lab})).id
    listed = orders.call("ListOrders", pb.ListOrdersRequest(**lab))
    assert [each.id for each in listed.data] == [made]


@STATES
def test_a_file_is_loaded(
    run: Callable[..., Result], orders: Served, tmp_path: Path, unique: str, state: str
) -> None:
    file = tmp_path / "labs.toml"
    run("new", "lab", "--id", unique, "--name", "New", "--out", str(file), "--no-load")
    with collide(orders.database, "INSERT", "labs", state=state):
        done = run("orders", "load", str(file), "--json")
    assert done.exit_code == 0, done.output
    assert json.loads(done.stdout)["labs"]["added"] == 1


def test_an_account_is_added(run: Callable[..., Result], orders: Served, unique: str) -> None:
    with collide(orders.database, "INSERT", "accounts"):
        done = run("orders", "accounts", "add", unique)
    assert done.exit_code == 0, done.output
    asked = pb.CreateTokenRequest(client_id=unique, client_secret=done.stdout.strip())
    assert orders.call("CreateToken", asked, "").token


def test_a_new_lab_has_one_file(
    run: Callable[..., Result], orders: Served, tmp_path: Path, unique: str
) -> None:
    file = tmp_path / "lab.toml"
    with collide(orders.database, "INSERT", "audit_entries"):  # after the file was written
        done = run("new", "lab", "--id", unique, "--name", "New", "--out", str(file))
    assert done.exit_code == 0, done.output
    assert unique in file.read_text()
