"""The commands about dashboard users: add, reset, disable, list, hash."""

import re
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from marshmallow import ValidationError
from sqlalchemy import URL
from werkzeug.security import generate_password_hash

from orders_svc import reference
from orders_svc.__main__ import cli
from orders_svc.store.access import users
from protos import orders_pb2 as pb
from tests.serving import Served

PUBLIC_URL = "https://optics.example/"
LINK = re.compile(r"https://optics\.example/orders/invitations/([A-Za-z0-9_-]{43})\n")
PASSWORD = "four random words together"
Run = Callable[..., Any]


@pytest.fixture
def run(orders: Served) -> Run:
    """Runs a command on the store; returns its exit code, output and errors."""
    url: URL = orders.database.url

    def run_command(*words: str, typed: str | None = None, public_url: str = PUBLIC_URL) -> Any:
        done = CliRunner(env={"GATEWAY_PUBLIC_URL": public_url}).invoke(
            cli,
            ["--database-url", url.render_as_string(hide_password=False), "users", *words],
            input=typed,
        )
        return done.exit_code, done.stdout, done.stderr

    return run_command


def accept(orders: Served, link: str, password: str = PASSWORD) -> str:
    """Accept the invitation of a link, and return the e-mail address of its user."""
    found = LINK.fullmatch(link)
    assert found, link
    accepted = pb.AcceptInvitationRequest(token=found[1], password=password)
    email: str = orders.call("AcceptInvitation", accepted, "", kind="Dashboard").email
    return email


def can_log_in(orders: Served, email: str, password: str = PASSWORD) -> bool:
    """Whether a login succeeds."""
    sent = pb.LogInRequest(email=email, password=password, address=email)
    try:
        return bool(orders.call("LogIn", sent, "", kind="Dashboard").token)
    except Exception:  # noqa: BLE001 - grpc's own kind of error
        return False


def get_state(run: Run, email: str) -> str:
    """The user's line in the list."""
    lines = [line for line in run("list")[1].splitlines() if line.startswith(f"{email}\t")]
    return lines[0].split("\t", 1)[1] if lines else ""


def test_an_invited_user_sets_a_password(orders: Served, run: Run, unique: str) -> None:
    email = f"{unique}@example.com"
    lab = "lab_456=7654321"
    code, link, said = run("add", email, "--account", "demo-client", "--lab", lab)
    assert (code, said) == (0, "")
    assert get_state(run, email) == "demo-client\tinvited"
    assert not can_log_in(orders, email, "")
    assert accept(orders, link) == email
    assert get_state(run, email) == "demo-client\tlive"
    assert can_log_in(orders, email)
    labs = orders.call("ListLabs", pb.ListLabsRequest(), "client", user_email=email).data
    assert [(lab.id, lab.account_number) for lab in labs] == [("lab_456", "7654321")]


def test_a_reset_takes_password_sessions_and_earlier_links(
    orders: Served, run: Run, unique: str
) -> None:
    email = f"{unique}@example.com"
    first = run("add", email, "--account", "demo-client")[1]
    accept(orders, first)
    sent = pb.LogInRequest(email=email, password=PASSWORD, address=email)
    session = orders.call("LogIn", sent, "", kind="Dashboard").token
    lost, link = run("reset", email)[1], run("reset", email)[1]
    assert not can_log_in(orders, email)
    asked = {"authorization": f"Session {session}"}
    refused = orders.refusal("ListLabs", pb.ListLabsRequest(), "", **asked)
    assert refused.reason == "UNAUTHENTICATED"
    for old in (first, lost):
        token = LINK.fullmatch(old)
        assert token
        request = pb.AcceptInvitationRequest(token=token[1], password=PASSWORD)
        refused = orders.refusal("AcceptInvitation", request, "", kind="Dashboard")
        assert refused.reason == "NOT_FOUND"
    accept(orders, link, "another set of words")
    assert not can_log_in(orders, email)
    assert can_log_in(orders, email, "another set of words")


def test_a_disabled_user_does_nothing_until_a_reset(orders: Served, run: Run, unique: str) -> None:
    email = f"{unique}@example.com"
    accept(orders, run("add", email, "--account", "demo-client")[1])
    sent = pb.LogInRequest(email=email, password=PASSWORD, address=email)
    session = orders.call("LogIn", sent, "", kind="Dashboard").token
    assert orders.call("ListLabs", pb.ListLabsRequest(), "client", user_email=email).data == []
    pending = run("reset", email)[1]
    assert run("disable", email) == (0, "", "")
    assert get_state(run, email) == f"demo-client\tdisabled {datetime.now(UTC):%Y-%m-%d}"
    orders.refresh_cache()
    assert not can_log_in(orders, email)
    for asked, reason in (
        ({"authorization": f"Session {session}"}, "UNAUTHENTICATED"),
        ({"user_email": email}, "FORBIDDEN"),
    ):
        who = "client" if "user_email" in asked else ""
        refused = orders.refusal("ListLabs", pb.ListLabsRequest(), who, **asked)
        assert refused.reason == reason
    with pytest.raises(AssertionError):
        accept_or_fail(orders, pending)
    accept(orders, run("reset", email)[1])
    assert can_log_in(orders, email)


def accept_or_fail(orders: Served, link: str) -> None:
    """Accept an invitation; raises AssertionError where that is refused."""
    found = LINK.fullmatch(link)
    assert found
    request = pb.AcceptInvitationRequest(token=found[1], password=PASSWORD)
    refused = orders.refusal("AcceptInvitation", request, "", kind="Dashboard")
    raise AssertionError(refused.reason)


def test_a_user_may_be_added_with_a_hash(
    orders: Served, run: Run, unique: str, tmp_path: Path
) -> None:
    email, file = f"{unique}@example.com", tmp_path / "hash"
    code, out, _ = run("hash", typed=f"{PASSWORD}\n{PASSWORD}\n")
    assert code == 0
    file.write_text(out.splitlines()[-1] + "\n")
    added = run("add", email, "--account", "demo-client", "--hash-file", str(file), public_url="")
    assert added == (0, f"{email} added\n", "")
    assert can_log_in(orders, email)
    file.write_text("words in the clear")
    code, _, said = run("add", f"x{email}", "--account", "demo-client", "--hash-file", str(file))
    assert (code, said) == (1, "Error: password_hash: Must be a hash as `users hash` prints it.\n")


def test_what_is_wrong_is_said_and_changes_nothing(orders: Served, run: Run, unique: str) -> None:
    email, before = f"{unique}@example.com", orders.rows()
    for words, said in [
        (["add", email, "--account", "nobody"], "account: Must be an account's name."),
        (["add", "no address", "--account", "demo-client"], "email: Not a valid email address."),
        (
            ["add", email, "--account", "demo-client", "--lab", "lab_9=1"],
            "labs: Must be ids of labs.",
        ),
        (
            ["add", email, "--account", "demo-client", "--lab", "lab_456"],
            "labs.0.account_number: Length must be between 1 and 64.",
        ),
        (
            ["add", "optician@example.com", "--account", "demo-client"],
            "A user has this e-mail address.",
        ),
        (["reset", email], "No user has this e-mail address."),
        (["disable", email], "No user has this e-mail address."),
    ]:
        assert run(*words) == (1, "", f"Error: {said}\n")
    code, _, said = run("add", email, "--account", "demo-client", public_url="")
    assert (code, "Set GATEWAY_PUBLIC_URL" in said) == (2, True)
    code, _, said = run("reset", "optician@example.com", public_url="")
    assert (code, "--public-url" in said) == (2, True)
    code, _, said = run("reset", "optician@example.com", public_url="nowhere")
    assert (code, said) == (1, "Error: GATEWAY_PUBLIC_URL must be an http or https URL.\n")
    assert orders.rows() == before


def test_a_hash_is_slow_to_guess_and_lets_its_user_in(
    orders: Served, run: Run, unique: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("werkzeug.security.generate_password_hash", generate_password_hash)
    made = run("hash", typed=f"{PASSWORD}\n{PASSWORD}\n")[1].splitlines()[-1]
    assert made.startswith("scrypt:32768:8:1$")
    load(orders, email=f"{unique}@example.com", password_hash=made)
    assert can_log_in(orders, f"{unique}@example.com")


def test_a_weak_password_has_no_hash(run: Run) -> None:
    for password, said in [("short", "Length must be between 8"), ("password1", "Is too easy")]:
        code, _, stderr = run("hash", typed=f"{password}\n{password}\n")
        assert (code, said in stderr) == (1, True)


def load(orders: Served, **user: Any) -> None:
    """Load a user of demo-client from a file."""
    loaded = reference.REFERENCE.load({"users": [{"account": "demo-client", **user}]})
    with orders.database.write() as tx:
        reference.load(tx, loaded)


def test_a_file_may_have_a_hash_or_nothing(orders: Served, run: Run, unique: str) -> None:
    email, other = f"{unique}@example.com", f"{unique}-2@example.com"
    load(orders, email=email, password_hash=users.hash_password(PASSWORD))
    assert can_log_in(orders, email)
    load(orders, email=other)
    assert get_state(run, other) == "demo-client\tinvited"
    load(orders, email=email)
    assert can_log_in(orders, email)
    with pytest.raises(ValidationError, match="Must not stand beside a password"):
        load(orders, email=email, password=PASSWORD, password_hash=users.hash_password("x"))


def test_a_file_does_not_bring_a_password_back(orders: Served, run: Run, unique: str) -> None:
    email = f"{unique}@example.com"
    load(orders, email=email, password="once in a file")
    link = run("reset", email)[1]
    for field, value in (
        ("password", "once in a file"),
        ("password_hash", users.hash_password("once in a file")),
    ):
        with pytest.raises(ValidationError, match="was invited to set an own password"):
            load(orders, email=email, **{field: value})
    load(orders, email=email)
    accept(orders, link)
    assert can_log_in(orders, email)
    assert not can_log_in(orders, email, "once in a file")


@pytest.mark.parametrize(
    "password",
    ["short", "password", "Password123!", "qwertyuiop", "12345678", "aaaaaaaa", "abababab", ""],
)
def test_a_weak_password_in_a_file_is_refused(password: str) -> None:
    entry = {"email": "x@example.com", "account": "demo-client", "password": password}
    with pytest.raises(ValidationError, match=r"Length must be|Is too easy"):
        reference.REFERENCE.load({"users": [entry]})
