"""How an operator connects a lab: the TOML of docs/operate.md, its faults, `events test`."""

import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from orders_svc.__main__ import cli
from orders_svc.store import tables
from orders_svc.store.transport.drops import find_drop
from tests.chassis.events.receiver import run_receiver
from tests.orders_svc.transport.labs import list_files, make_folder
from tests.orders_svc.transport.sftp_server import SftpLab, run_sftp
from tests.serving import Served

DOCS = Path(__file__).parents[3] / "docs/operate.md"
KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGNIiq2/pR3LLAa7JxxVZQJQ8uLB5vUHlm5UbKz1ZZJr"
LAB = """
[[labs]]
id = "lab_{unique}"
name = "A Lab"
[labs.settings]
frame_handling_options = []
frame_materials = []
mounting_options = []
order_types = ["rx"]
redo_types = []
services = []
"""
SFTP = f"""
[labs.drop]
folder = "."
[labs.drop.sftp]
host = "sftp.example"
user = "u"
host_keys = ["{KEY}"]
"""


@pytest.fixture
def run(orders: Served, tmp_path: Path) -> Callable[..., Result]:
    """Runs a command on the store; a text is a file for `load`."""

    def command(*words: str, text: str = "") -> Result:
        url = orders.database.url.render_as_string(hide_password=False)
        if text:
            (tmp_path / "labs.toml").write_text(text)
            words = ("load", str(tmp_path / "labs.toml"))
        return CliRunner().invoke(cli, ["--database-url", url, *words])

    return command


def find_url(orders: Served, owner: str) -> str | None:
    """Where the outbox sends an owner's events."""
    with orders.database.read() as tx:
        found = tables.outbox.endpoints.find(tx, owner)
    return found and str(found.url)


def test_the_toml_of_the_docs(orders: Served, run: Callable[..., Result]) -> None:
    section = DOCS.read_text().partition("\n## Labs\n")[2]
    (text,) = re.findall(r"^```toml\n(.*?)^```", section.partition("\n## ")[0], re.S | re.M)
    for _ in range(2):
        assert run(text=text).exit_code == 0
    assert find_url(orders, "lab:lab_123") == "sftp://optigate@sftp.acme.example:22/optigate"
    assert find_url(orders, "lab:lab_456") == "https://vision.example/jobs"
    with orders.database.read() as tx:
        drop: Any = find_drop(tx, "lab_123")
        assert find_drop(tx, "lab_456") is None
    assert (drop["out"], drop["in"]) == ("/optigate/out", "/optigate/in")
    assert drop["sftp"]["key_file"] == "/run/secrets/acme_key"
    listed = run("events", "endpoints").stdout
    assert "lab:lab_123\tsftp://optigate@sftp.acme.example:22/optigate\tenabled" in listed
    without = re.sub(r"\[labs\.(drop|endpoint).*?(?=\[\[|\Z)", "", text, flags=re.S)
    assert run(text=without).exit_code == 0
    assert find_url(orders, "lab:lab_123") is find_url(orders, "lab:lab_456") is None
    with orders.database.read() as tx:
        assert find_drop(tx, "lab_123") is None
        polls = tables.status_polls
        assert tx.execute(polls.select().where(polls.c.lab_id == "lab_123")).first() is None


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('drop = {folder = "relative"}', "labs.0.drop.folder: Must be an absolute path."),
        ('drop = {folder = ""}', "labs.0.drop.folder: Must be a path of 1 to 500"),
        ('drop = {folder = "/a\\nb"}', "labs.0.drop.folder: Must be on one line"),
        ("drop = {}", "labs.0.drop.folder: Missing data for required field."),
        ('drop = {folder = "/a", in = "out"}', "labs.0.drop.in: Must be a folder of its own."),
        ('drop = {folder = "/a", password = "x"}', "labs.0.drop.password: Unknown field."),
        ('drop = {folder = "/a"}\nendpoint = {url = "http://x/"}', "labs.0.endpoint: Must not"),
        ('endpoint = {url = "file:///x"}', "labs.0.endpoint.url: Must be an http or https URL."),
        (SFTP, "labs.0.drop.sftp.key_file: Must have one of key_file and password_file."),
        (SFTP + 'key_file = "key"', "labs.0.drop.sftp.key_file: Must be an absolute path."),
        (SFTP + 'password = "x"', "labs.0.drop.sftp.password: Unknown field."),
        (
            SFTP + 'key_file = "/k"\npassword_file = "/p"',
            "labs.0.drop.sftp.key_file: Must have one of",
        ),
        (SFTP.replace(f'"{KEY}"', ""), "labs.0.drop.sftp.host_keys: Length must be between"),
        (SFTP.replace(KEY, "any"), "labs.0.drop.sftp.host_keys.0: Must be a public key such as"),
        (SFTP.replace(KEY, KEY.replace("ed25519", "rsa", 1)), "host_keys.0: Must be a public key"),
        (
            SFTP.replace("sftp.example", "a b") + 'key_file = "/k"',
            "labs.0.drop.sftp.host: String does not match",
        ),
        (SFTP.replace('user = "u"', 'user = ""'), "labs.0.drop.sftp.user: String does not match"),
        (SFTP + "port = 0", "labs.0.drop.sftp.port: Must be greater than or equal to 1"),
    ],
)
def test_faults_are_named_by_path(
    orders: Served, run: Callable[..., Result], unique: str, text: str, said: str
) -> None:
    before = orders.rows()
    done = run(
        text=LAB.format(unique=unique).replace("[labs.settings]", f"{text}\n[labs.settings]")
    )
    assert done.exit_code == 1
    assert said in done.stderr
    assert orders.rows() == before


def test_two_labs_do_not_share_their_status_files(
    orders: Served, run: Callable[..., Result], unique: str, tmp_path: Path
) -> None:
    drop = f'[labs.drop]\nfolder = "{tmp_path}"\n'
    first, second = (LAB.format(unique=unique + each) for each in "ab")
    assert run(text=first + drop).exit_code == 0
    before = orders.rows()
    done = run(text=second + drop)
    assert done.exit_code == 1
    assert f"labs.0.drop.in: Must not be that of lab_{unique}a" in done.stderr
    assert orders.rows() == before
    elsewhere = SFTP.replace('"."', f'"{tmp_path}"') + 'key_file = "/k"\n'
    assert run(text=second + elsewhere).exit_code == 0
    assert run(text=second + drop + 'in = "theirs"\n').exit_code == 0
    assert run(text=second + drop + "status_files = false\n").exit_code == 0


def test_events_test_tries_a_folder(
    run: Callable[..., Result], unique: str, tmp_path: Path
) -> None:
    folder = make_folder(tmp_path / "drop")["folder"]
    text = LAB.format(unique=unique) + f'[labs.drop]\nfolder = "{folder}"\n'
    assert run(text=text).exit_code == 0
    done = run("events", "test", f"lab:lab_{unique}")
    assert (done.exit_code, done.stdout.split("\t")[1]) == (0, "delivered\n")
    assert list_files(tmp_path / "drop" / "out") == []
    (tmp_path / "drop" / "out").rmdir()
    done = run("events", "test", f"lab:lab_{unique}")
    assert (done.exit_code, done.stdout.split("\t")[1]) == (1, "missing\n")


@pytest.mark.skipif(sys.platform != "linux", reason="a folder in which root may not write, either")
def test_a_folder_that_may_not_be_written_to(run: Callable[..., Result], unique: str) -> None:
    text = LAB.format(unique=unique) + '[labs.drop]\nfolder = "/sys"\nout = "kernel"\n'
    assert run(text=text).exit_code == 0
    done = run("events", "test", f"lab:lab_{unique}")
    assert (done.exit_code, done.stdout.split("\t")[1]) == (1, "denied\n")


def test_events_test_tries_a_server(
    orders: Served, run: Callable[..., Result], unique: str, tmp_path: Path
) -> None:
    with run_sftp(tmp_path / "sftp") as server:
        assert run(text=LAB.format(unique=unique) + write_sftp(server)).exit_code == 0
        done = run("events", "test", f"lab:lab_{unique}")
        assert (done.exit_code, done.stdout.split("\t")[1]) == (1, "private\n")
        done = run("events", "test", "--private-targets", f"lab:lab_{unique}")
        assert (done.exit_code, done.stdout.split("\t")[1]) == (0, "delivered\n")
        assert list_files(server.root / "out") == []
        assert server.password_file.read_text().strip() not in str(orders.rows())


def test_events_test_posts_a_sample(run: Callable[..., Result], unique: str) -> None:
    with run_receiver() as receiver:
        text = LAB.format(unique=unique) + f'[labs.endpoint]\nurl = "{receiver.url}"\n'
        assert run(text=text).exit_code == 0
        done = run("events", "test", "--private-targets", f"lab:lab_{unique}")
        assert (done.exit_code, done.stdout.split("\t")[1]) == (0, "204\n")
        (received,) = receiver.received
        assert received.headers["content-type"] == "application/json"
        assert b'"type":"test"' in received.body


def write_sftp(server: SftpLab) -> str:
    """The drop of a server as TOML, with its password in a file."""
    return (
        f'[labs.drop]\nfolder = "/"\n[labs.drop.sftp]\nhost = "127.0.0.1"\nport = {server.port}\n'
        f'user = "optigate"\nhost_keys = ["{server.host_key}"]\n'
        f'password_file = "{server.password_file}"\n'
    )
