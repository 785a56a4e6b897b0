"""The shell lines of the documents run as they are written; make run and PostgreSQL have others."""

import json
import re
import shlex
import shutil
import subprocess
import tomllib
from base64 import b64encode
from collections.abc import Callable
from datetime import UTC, datetime
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from google.protobuf.json_format import ParseDict

from chassis.audit.sealer import Sealer
from chassis.events.endpoints import generate_signing_secret
from orders_svc.reference import REFERENCE
from orders_svc.store.tables import audit
from protos import orders_pb2, sessions_pb2, subscriptions_pb2
from tests.chassis.events.receiver import run_receiver
from tests.orders_svc.bodies import example, request
from tests.serving import Served

ROOT = Path(__file__).parent.parent.parent
ON_SQLITE = pytest.mark.parametrize("engine", ["sqlite"], indirect=True)


def list_lines(document: str, holding: str) -> list[str]:
    """The lines of the shell block of a document that holds a text."""
    text = (ROOT / "docs" / document).read_text()
    found = re.findall(r"^```sh\n(.*?)^```", text, re.DOTALL | re.MULTILINE)
    (block,) = (each for each in found if holding in each)
    return str(block).splitlines()


def run(line: str, url: str, code: int = 0) -> str:
    """Run a line in this process, on a store; returns what it has printed."""
    words, _, file = line.partition(" > ")
    _python, _m, module, *options = shlex.split(words, comments=True)
    cli: Any = import_module(f"{module}.__main__").cli
    done = CliRunner().invoke(cli, ["--database-url", url, *options])
    assert done.exit_code == code, (line, done.output, done.exception)
    if file:
        Path(file).write_text(done.stdout)
    return done.stdout


def read_url(served: Served) -> str:
    """The URL of a service's store."""
    return served.database.url.render_as_string(hide_password=False)


@pytest.fixture
def order_id(orders: Served) -> str:
    """An order of a patient, cancelled by the lab."""
    body = example()
    body["patient"] |= {"email": "a@b.com", "phone_number": "+1 555 010 7731"}
    made = orders.call("CreateOrder", request(body))
    change = orders_pb2.UpdateOrderRequest(order_id=made.id, lab_status="cancelled")
    orders.call("UpdateOrder", change, "staff", desk=True)
    return str(made.id)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder that the lines run in, with what they name."""
    keys = tmp_path / "orders.keys"
    keys.touch(0o600)
    keys.write_text(f"2026-11 {b64encode(bytes(range(32))).decode()}\n")
    (tmp_path / "my-shop").write_text("quiet-orchard-of-lenses-77\n")
    columns = "merchant_id,subscription_id,month,result,amount,currency,reference\n"
    (tmp_path / "results.csv").write_text(columns)
    shutil.copy(ROOT / "demo/orders.toml", tmp_path / "labs.toml")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("WEBHOOK_PRIVATE_TARGETS", "on")
    return tmp_path


@ON_SQLITE
def test_the_commands_of_a_service(
    orders: Served,
    subscriptions: Served,
    order_id: str,
    folder: Path,
    store_url: Callable[[str, str], str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("LISTEN", orders.address)
    monkeypatch.setenv("GATEWAY_PUBLIC_URL", "https://optics.example")
    urls = {"orders_svc": read_url(orders), "subscriptions_svc": read_url(subscriptions)}
    encrypted = store_url("orders", "sqlite")
    for line in list_lines("operate.md", "orders_svc accounts rotate"):
        module = line.split()[2]
        if re.fullmatch(r"python -m orders_svc +# serve", line):
            continue
        if line.startswith("optigate person "):  # by its own test
            continue
        if " keys " in line:  # on a store that nobody serves without them
            with monkeypatch.context() as patch:
                patch.setenv("ENCRYPTION_KEYS", str(folder / "orders.keys"))
                run(line, encrypted)
            continue
        if " restore " in line:  # beside the store that is served
            urls[module] = f"sqlite:///{folder}/restored.db"
        # The secrets of the demo are faults.
        run(line.replace("/run/secrets", str(folder)), urls[module], 2 if "doctor" in line else 0)
    assert (folder / "boxes.csv").read_text()


@ON_SQLITE
def test_the_commands_of_events(orders: Served, folder: Path) -> None:
    url = read_url(orders)
    with run_receiver() as receiver:
        endpoint = f'endpoint = {{ url = "{receiver.url}" }}'
        (folder / "client.toml").write_text(f'[[clients]]\naccount = "demo-client"\n{endpoint}\n')
        run("python -m orders_svc load client.toml", url)
        orders.refresh_cache()
        orders.call("CreateOrder", request(example()))
        listed = run("python -m orders_svc events list --owner demo-client", url)
        (event,) = re.findall(r"evt_\w+", listed)
        for line in list_lines("events.md", "events replay"):
            run(re.sub(r"evt_\w+", event, line).replace("my-client", "demo-client"), url)
        assert receiver.received[-1].headers["webhook-signature"].startswith("v1,")


@ON_SQLITE
def test_the_commands_of_the_audit(orders: Served, order_id: str, folder: Path) -> None:
    url = read_url(orders)
    Sealer(orders.database, audit, lambda: datetime.now(UTC)).seal()
    digest = run("python -m orders_svc audit verify", url).splitlines()[1].rpartition(" ")[2]
    for line in list_lines("audit.md", "audit verify"):
        printed = run(re.sub(r"ord_\w+", order_id, line).replace("5e88...", digest), url)
        assert order_id in printed or " list " not in line
    assert (folder / "audit.jsonl").exists()


@ON_SQLITE
def test_the_commands_of_a_person(
    sessions: Served,
    orders: Served,
    subscriptions: Served,
    order_id: str,
    body: Callable[[str], dict[str, Any]],
) -> None:
    keys = {"user_key": "u-17", "session_key": "persons"}
    person = {**body("session"), **keys}
    person["user"]["email"] = "ann@example.com"
    del person["partner_info"]
    sessions.call("CreateSession", ParseDict(person, sessions_pb2.CreateSessionRequest()))
    sessions.call("CancelSession", sessions_pb2.CancelSessionRequest(**keys))
    shopper = ParseDict(body("subscription"), subscriptions_pb2.CreateSubscriptionRequest())
    subscriptions.call("CreateSubscription", shopper)
    urls = {f"{each.name}_svc": read_url(each) for each in (sessions, orders, subscriptions)}
    for line in list_lines("audit.md", "persons erase"):
        run(line.replace("my-partner", "demo-partner"), urls[line.split()[2]])
    assert "555 010 7731" not in str(orders.rows()["orders"])


def test_the_endpoint_in_the_documents_is_valid() -> None:
    text = (ROOT / "docs" / "events.md").read_text()
    (block,) = re.findall(r"^```toml\n(.*?)^```", text, re.DOTALL | re.MULTILINE)
    written = tomllib.loads(block.replace("whsec_...", generate_signing_secret()))
    (client,) = REFERENCE.load(written)["clients"]
    assert client["endpoint"]["events"] == ["order.submitted"]


@ON_SQLITE
def test_the_link_of_the_exam_is_printed(
    site: str, sessions: Served, body: Callable[[str], dict[str, Any]]
) -> None:
    person = body("session")
    del person["partner_info"]
    sessions.call("CreateSession", ParseDict(person, sessions_pb2.CreateSessionRequest()))
    text = (ROOT / "sessions_svc" / "EXAM.md").read_text()
    (script,) = re.findall(r"^```sh\n(.*?)^```", text, re.DOTALL | re.MULTILINE)
    here = script.replace("http://127.0.0.1:8080", site)
    done = subprocess.run(["sh", "-c", here], capture_output=True, text=True, timeout=60)
    answer = json.loads(done.stdout)
    assert answer.keys() == {"link", "expires_at"}
    assert "/login?session_key=session1&user_key=user1&token=" in answer["link"]
