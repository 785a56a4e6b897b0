"""Reference data of the orders service: what a file may say, and what loading it does."""

import subprocess
import sys
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from sqlalchemy import URL

from orders_svc import reference
from orders_svc.__main__ import cli
from orders_svc.reference import REFERENCE
from orders_svc.store import tables
from orders_svc.store.access import users
from protos import orders_pb2 as pb
from tests.orders_svc.bodies import Body, request
from tests.serving import Served, load_demo

DEMO = Path(__file__).parents[2] / "demo"
ROOT = DEMO.parent


def url_of(orders: Served) -> str:
    """The store's URL, as an operator writes it."""
    url: URL = orders.database.url
    return url.render_as_string(hide_password=False)


def demo() -> Any:
    """The demo data, parsed anew."""
    return tomllib.loads((DEMO / "orders.toml").read_text("utf-8"))


def load(orders: Served, values: Any) -> None:
    with orders.database.write() as tx:
        reference.load(tx, REFERENCE.load(values))


@pytest.fixture
def refused(orders: Served, tmp_path: Path) -> Callable[[str], str]:
    """Returns what the command line answers to a file, which must change nothing."""

    def read_message(text: str) -> str:
        before, file = orders.rows(), tmp_path / "bad.toml"
        file.write_bytes(text.encode("utf-8", "surrogateescape"))
        done = CliRunner().invoke(cli, ["--database-url", url_of(orders), "load", str(file)])
        assert (done.exit_code, done.stdout) == (1, "")
        assert orders.rows() == before
        return done.stderr.replace(str(file), "FILE")

    return read_message


def test_loading_twice_changes_nothing(orders: Served) -> None:
    before = orders.rows()
    load_demo("orders", url_of(orders), DEMO)
    assert orders.rows() == before


def test_loading_twice_leaves_the_orders_alone(orders: Served, order: Body) -> None:
    created = orders.call("CreateOrder", request(order))
    before = orders.rows()
    load_demo("orders", url_of(orders), DEMO)
    assert orders.rows() == before
    assert created.id in repr(before)


def test_what_a_file_changes_is_changed_and_the_rest_stays(orders: Served, unique: str) -> None:
    values = {"labs": [demo()["labs"][0]]}
    lab = values["labs"][0] | {"id": unique, "name": "Old"}
    user = {"email": f"{unique}@example.com", "account": "demo-client", "password": "old-password"}
    entry = {"lab": unique, "account_number": "1"}
    load(orders, {"labs": [lab], "users": [{**user, "labs": [entry]}]})
    before = orders.rows()

    style = {"id": "s", "name": "Only", "lens_type": "multifocal"}
    lab = {**lab, "name": "New", "styles": [style], "materials": [], "colors": [], "coats": []}
    load(orders, {"labs": [lab], "users": [{**user, "account": "other-client"}]})
    after = orders.rows()
    with orders.database.read() as tx:
        ids = tables.accounts.ids(tx)
        found = users.find_user(tx, user["email"])
    assert found is not None
    assert found.account_id == ids["other-client"]
    assert [row[1] for row in after["labs"] if row[0] == unique] == ["New"]
    assert [row for row in after["styles"] if row[0] == unique] == [
        (unique, "s", "Only", "multifocal", None, None)
    ]
    for table in ("materials", "style_materials", "addons"):
        assert after[table] == [row for row in before[table] if row[0] != unique]
    assert after["user_labs"] == [row for row in before["user_labs"] if unique not in row]


def test_a_password_changes_only_when_the_file_says_so(orders: Served, unique: str) -> None:
    user = {"email": f"{unique}@example.com", "account": "demo-client", "password": "old-password"}
    hashes = []
    for password in ("old-password", "old-password", "new-password"):
        load(orders, {"users": [{**user, "password": password}]})
        with orders.database.read() as tx:
            found = users.find_user(tx, user["email"])
        assert found is not None
        hashes.append(found.password_hash)
    assert hashes[0] == hashes[1] != hashes[2]
    assert "password" not in hashes[0]


def test_a_new_secret_is_the_accounts(orders: Served, unique: str) -> None:
    account = {"name": unique, "secret": "the-first-secret"}
    for secret in ("the-first-secret", "the-second-secret"):
        load(orders, {"accounts": [{**account, "secret": secret}]})
        token = pb.CreateTokenRequest(client_id=unique, client_secret=secret)
        assert orders.call("CreateToken", token, "").token
    old = pb.CreateTokenRequest(client_id=unique, client_secret="the-first-secret")
    assert orders.refusal("CreateToken", old, "").reason == "UNAUTHENTICATED"


def test_an_endpoint_is_the_clients(orders: Served) -> None:
    url, secret = "https://client.example/events", f"whsec_{'a' * 32}"
    endpoint = {"url": url, "secret": secret, "events": ["order.submitted"]}
    load(orders, {"clients": [{"account": "demo-client", "endpoint": endpoint}]})
    before = orders.rows()
    assert before["endpoints"] == [
        ("demo-client", url, {}, secret, " order.submitted ", None, None)
    ]
    load_demo("orders", url_of(orders), DEMO)
    assert orders.rows() == before
    load(orders, {"clients": [{"account": "demo-client"}]})
    assert orders.rows()["endpoints"] == []


@pytest.mark.parametrize("engine", ["sqlite"], indirect=True)
def test_an_error_names_file_table_and_field(orders: Served, tmp_path: Path) -> None:
    file = tmp_path / "bad.toml"
    file.write_text('[[labs]]\nid = "lab_9"\n[[accounts]]\nname = "a b"\nsecret = "short"\n')
    command = [sys.executable, "-m", "orders_svc", "--database-url", url_of(orders), "load"]
    done = subprocess.run([*command, str(file)], cwd=ROOT, capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (1, "")
    assert sorted(done.stderr.replace("Error: ", "").splitlines()) == [
        f"{file}: accounts.0.name: String does not match expected pattern.",
        f"{file}: accounts.0.secret: Length must be between 16 and 255.",
        f"{file}: labs.0.name: Missing data for required field.",
        f"{file}: labs.0.settings: Missing data for required field.",
    ]


USER = 'email = "u@example.com"\naccount = "demo-client"\npassword = "some-words"\n'
SETTINGS = "".join(
    f'settings.{name} = ["rx"]\n'
    for name in (
        *("frame_handling_options", "frame_materials", "mounting_options"),
        *("order_types", "redo_types", "services"),
    )
)
LAB = f'[[labs]]\nid = "lab_9"\nname = "Lab"\n{SETTINGS}'
STYLE = '[[labs.styles]]\nid = "s"\nname = "S"\nlens_type = "multifocal"\n'
MATERIAL = '[[labs.materials]]\nid = "m"\nname = "M"\n'


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[[labs]", "Expected ']]' at the end of an array declaration (at line 1, column 7)"),
        ('name = "\udcff"', "'utf-8' codec can't decode byte 0xff in position 8"),
        ('[[colors]]\nid = "x"', "colors: Unknown field."),
        ("labs = 1", "labs: Not a valid list."),
        (f"[[users]]\n{USER}lab = 1", "users.0.lab: Unknown field."),
        (
            f"[[users]]\n{USER.replace('demo-client', 'nobody')}",
            "users.0.account: Must be an account's name.",
        ),
        (
            f'[[users]]\n{USER}labs = [{{lab = "lab_9", account_number = "1"}}]',
            "users.0.labs: Must be ids of labs.",
        ),
        (
            f'[[users]]\n{USER}labs = [{{lab = "lab_123", account_number = "1"}}, '
            '{lab = "lab_123", account_number = "1"}]',
            "users.0.labs: Each lab and account_number may occur once.",
        ),
        ('[[clients]]\naccount = "nobody"', "clients.0.account: Must be an account's name."),
        (
            '[[clients]]\naccount = "demo-client"\nendpoint = {url = "http://u:p@x/"}',
            "clients.0.endpoint.url: Must not contain a user or password: use a header.",
        ),
        (f"[[users]]\n{USER}[[users]]\n{USER}", "users: Each email may occur once."),
        ('[[accounts]]\nname = "a\\u0000"\nsecret = "x"', "accounts.0.name: Control characters"),
        (LAB.replace('order_types = ["rx"]', "order_types = []"), "settings.order_types: Must"),
        (LAB + LAB, "labs: Each id may occur once."),
        (LAB + STYLE + STYLE, "labs.0.styles: Each id may occur once."),
        (
            LAB + STYLE.replace("multifocal", "bifocal"),
            "labs.0.styles.0.lens_type: Must be one of: single_vision, multifocal.",
        ),
        (LAB + "settings.limits.sphere = -1", "limits.sphere: Must be greater than or equal to 0"),
        (LAB + "settings.limits.spheres = 1", "settings.limits.spheres: Unknown field."),
        (LAB + 'settings.confirm = ["pd_lost"]', "settings.confirm.0: Must be one of: power_off"),
        (LAB + STYLE + "blank_sizes = [1]", "labs.0.styles.0.blank_sizes.0: Must be greater"),
        (LAB + STYLE + "blank_sizes = []", "labs.0.styles.0.blank_sizes: Length must be"),
        (LAB + STYLE + "least_fitting_height = 51", "styles.0.least_fitting_height: Must be"),
        (
            LAB + MATERIAL + 'styles = ["s"]',
            "labs.0.materials.0.styles: Must be ids of this lab's styles.",
        ),
        (
            LAB + STYLE + MATERIAL + 'styles = ["s", "s"]',
            "labs.0.materials.0.styles: Each id may occur once.",
        ),
        (LAB + STYLE + MATERIAL + 'styles = ["s", 1]', "materials.0.styles.1: Not a valid string."),
        (LAB + STYLE + MATERIAL + 'styles = [""]', "styles.0: Length must be between 1 and 64."),
        (LAB + STYLE + MATERIAL + 'styles = "s"', "labs.0.materials.0.styles: Not a valid list."),
        (
            LAB + STYLE + MATERIAL + 'styles = ["s"]\ntints = ["Gray", "Gray"]',
            "labs.0.materials.0.tints: Each id may occur once.",
        ),
        (
            LAB + STYLE + MATERIAL + 'styles = ["s"]\ncoats = ["c"]\ncolors = ["c"]',
            "labs.0.materials.0.coats: Must be ids of this lab's coats.",
        ),
        (
            f"[[users]]\n{USER.replace('u@', 'u' * 255 + '@')}",
            "users.0.email: Longer than maximum length 254.",
        ),
    ],
)
def test_a_file_that_makes_no_sense_changes_nothing(
    refused: Callable[[str], str], text: str, said: str
) -> None:
    answer = refused(text)
    assert answer.startswith("Error: FILE: ")
    assert said in answer
