"""What a service refuses to start with, and TLS by its environment.

What starts is a process. A command that ends at once runs in this one, but for the first refusal.
"""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import grpc
import pytest
from click.testing import CliRunner

from orders_svc.__main__ import cli
from protos.orders_pb2 import ListLabsRequest
from protos.orders_pb2_grpc import OrderServiceStub
from tests.certificates import Files
from tests.chassis.cli.running import OURS, ROOT, build_environment, serving
from tests.ports import find_free_address
from tests.serving import build_basic

OPTICIAN = (("authorization", build_basic("demo-client")), ("user-email", "optician@example.com"))
URL = {"GATEWAY_PUBLIC_URL": "https://optics.example"}
NO_TLS = "and gRPC there would be plaintext"
NO_URL = "and GATEWAY_PUBLIC_URL is not set"


def run(*words: str, **variables: str) -> tuple[int, str]:
    """Run a command to its end; return its exit code and what it wrote to stderr."""
    ours = dict.fromkeys(name for name in os.environ if name.startswith(OURS))
    done = CliRunner(env={**ours, **variables}).invoke(cli, words)
    return done.exit_code, done.stderr


def run_process(*words: str, **variables: str) -> tuple[int, str]:
    """Do the same as a process."""
    done = subprocess.run(
        [sys.executable, "-m", "orders_svc", *words],
        cwd=ROOT,
        env=build_environment(**variables),
        capture_output=True,
        text=True,
        timeout=90,
        check=False,
    )
    return done.returncode, done.stderr


@pytest.fixture
def everywhere() -> dict[str, str]:
    """An address that other machines reach."""
    return {"LISTEN": f"0.0.0.0:{find_free_address().rpartition(':')[2]}"}


@pytest.fixture
def files(tmp_path: Path) -> Files:
    return Files(tmp_path / "tls")


def test_plaintext_is_for_this_machine(store: Any, everywhere: Any) -> None:
    code, said = run_process(**store, **everywhere)
    assert (code, said) == run(**store, **everywhere)
    assert (code, len(said.splitlines())) == (1, 2)
    assert f"Error: Other machines reach {everywhere['LISTEN']}, {NO_URL}" in said
    assert f"Other machines reach {everywhere['LISTEN']}, {NO_TLS}" in said
    code, said = run(**store, **everywhere, **URL)
    assert (code, NO_URL in said) == (1, False)
    assert said.startswith(f"Error: Other machines reach {everywhere['LISTEN']}, {NO_TLS}")
    assert "GRPC_TLS_CERT and GRPC_TLS_KEY, or GRPC_PLAINTEXT=allow" in said


def test_links_need_a_configured_address(store: Any, everywhere: Any, files: Files) -> None:
    for more in ({"GRPC_PLAINTEXT": "allow"}, files.server()):
        code, said = run(**store, **everywhere, **more)
        assert (
            code,
            said.startswith(f"Error: Other machines reach {everywhere['LISTEN']}, {NO_URL}"),
        ) == (1, True)
        assert NO_TLS not in said


def test_plaintext_can_be_allowed(store: Any, everywhere: Any) -> None:
    allowed = {**everywhere, "GRPC_PLAINTEXT": "allow"}
    with serving(**store, **allowed, **URL):
        assert run("health", **allowed) == (0, "")


def test_tls_needs_no_permission(store: Any, everywhere: Any, files: Files) -> None:
    port = everywhere["LISTEN"].rpartition(":")[2]
    with serving(**store, **everywhere, **URL, **files.server()):
        assert run("health", **everywhere, **files.server()) == (0, "")
        assert run("health", **everywhere, **files.client()) == (0, "")
        away = (1, f"Error: {everywhere['LISTEN']}: UNAVAILABLE\n")
        assert run("health", **everywhere) == away
        assert run("health", **everywhere, **files.client(mutual=False)) == away
        parts = (
            Path(files.path(name)).read_bytes() for name in ("ca", "client-key", "client-cert")
        )
        credentials = grpc.ssl_channel_credentials(*parts)
        with grpc.secure_channel(f"127.0.0.1:{port}", credentials) as channel:
            labs = OrderServiceStub(channel).ListLabs(
                ListLabsRequest(), timeout=20, metadata=OPTICIAN
            )
        assert len(labs.data) == 2


def test_health_finds_a_service_under_another_name(
    store: Any, everywhere: Any, files: Files
) -> None:
    files.issue("server", "orders.example")
    with serving(**store, **everywhere, **URL, **files.server(mutual=False)):
        own = {**everywhere, **files.server(mutual=False)}
        assert run("health", **own)[0] == 1
        assert run("health", **own, GRPC_TLS_HOSTNAME="orders.example") == (0, "")


def test_health_sends_no_plaintext_to_another_machine() -> None:
    code, said = run("health", LISTEN="192.0.2.1:50052")
    assert code == 1
    assert said.startswith("Error: The call to 192.0.2.1:50052 would leave this machine in plain")


def test_bad_certificates_are_named(store: Any, files: Files, tmp_path: Path) -> None:
    code, said = run(**store, **{**files.server(), "GRPC_TLS_KEY": str(tmp_path / "none.pem")})
    assert code == 1
    assert said.startswith("Error: GRPC_TLS_CERT, GRPC_TLS_KEY, GRPC_TLS_CLIENT_CA: ")
    assert run(**store, GRPC_TLS_CERT="x")[1].startswith("Error: GRPC_TLS_CERT and GRPC_TLS_KEY")
    assert run(**store, GRPC_PLAINTEXT="1")[1] == "Error: GRPC_PLAINTEXT is allow, or is not set.\n"


def test_production_names_each_thing_that_forbids_it(store: Any, everywhere: Any) -> None:
    code, said = run(
        **store,
        **everywhere,
        ENVIRONMENT="production",
        GRPC_PLAINTEXT="allow",
        REFLECTION="on",
        GATEWAY_PUBLIC_URL="http://127.0.0.1:8080/",
    )
    first, *lines = said.splitlines()
    assert (code, first) == (1, "Error: ENVIRONMENT=production does not allow this start:")
    beginnings = [
        "GATEWAY_PUBLIC_URL is not set, or is the default",
        f"Other machines reach {everywhere['LISTEN']}, and gRPC there is plaintext",
        "REFLECTION is on",
        "The account demo-client has a secret of the demo data",
        "The account demo-staff has a secret of the demo data",
        "The account other-client has a secret of the demo data",
        "The user optician@example.com has the password of the demo data",
        "The user second@example.com has the password of the demo data",
        "The user stranger@example.org has the password of the demo data",
    ]
    assert [
        line.startswith(f"  - {each}") for line, each in zip(lines, beginnings, strict=True)
    ] == [True] * len(beginnings)


def test_production_starts_when_all_of_it_is_gone(
    store: Any, everywhere: Any, files: Files
) -> None:
    ours = {**store, **everywhere, **files.server(), "ENVIRONMENT": "production"}
    for name in ("demo-client", "demo-staff", "other-client"):
        assert run("accounts", "rotate", name, "--overlap", "0", **store) == (0, "")
    assert run("accounts", "rotate", "demo-client", **store)[0] == 0
    for email in ("optician@example.com", "second@example.com"):
        assert run("users", "disable", email, **store) == (0, "")
    assert run("users", "reset", "stranger@example.org", **store, **URL)[0] == 0
    code, said = run(**ours, GATEWAY_PUBLIC_URL="http://optics.example")
    assert code == 1
    assert said.splitlines()[1:] == [
        "  - GATEWAY_PUBLIC_URL is plaintext: links must begin with https."
    ]
    with serving(**ours, **URL):
        assert run("health", **ours) == (0, "")


def test_an_overlapping_demo_secret_is_one_still(store: Any) -> None:
    run("accounts", "rotate", "demo-staff", "--overlap", "1h", **store)
    said = run(**store, **URL, ENVIRONMENT="production")[1]
    assert "  - The account demo-staff has a secret of the demo data" in said


def test_an_unknown_environment_is_refused(store: Any) -> None:
    code, said = run(**store, ENVIRONMENT="prod")
    expected = "Error: ENVIRONMENT must be one of: development, test, staging, production.\n"
    assert (code, said) == (1, expected)


def test_a_public_url_is_a_url(store: Any) -> None:
    code, said = run(**store, GATEWAY_PUBLIC_URL="optics.example")
    assert (code, said) == (1, "Error: GATEWAY_PUBLIC_URL must be an http or https URL.\n")


def test_the_store_may_be_named_in_a_file(store: Any, tmp_path: Path) -> None:
    file = tmp_path / "url"
    file.write_text(store["DATABASE_URL"] + "\n")
    assert run("accounts", "list", DATABASE_URL_FILE=str(file)) == (0, "")
    code, said = run("accounts", "list", DATABASE_URL_FILE=str(file), **store)
    assert (code, "DATABASE_URL and DATABASE_URL_FILE are both set" in said) == (1, True)
    code, said = run("accounts", "list", DATABASE_URL_FILE=str(tmp_path / "none"))
    assert (code, said.startswith("Error: DATABASE_URL_FILE: ")) == (1, True)


def test_it_serves_where_its_folder_of_logs_cannot_be_used(store: Any, tmp_path: Path) -> None:
    logs = tmp_path / "logs"
    logs.touch()
    process = subprocess.Popen(
        [sys.executable, "-m", "orders_svc"],
        cwd=ROOT,
        env=build_environment(**store, LISTEN=find_free_address(), LOG_DIR=str(logs)),
        stderr=subprocess.PIPE,
        text=True,
    )
    with process:
        assert process.stderr
        first, second = process.stderr.readline(), process.stderr.readline()
        process.terminate()
    assert first.startswith("orders: warning: log lines are lost until LOG_DIR can be used")
    assert second.startswith("orders: listening")
    assert process.returncode == 0
