"""What the gateway refuses to start with, and HTTPS, as processes of the real application."""

import os
import ssl
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import trustme
from flask.testing import FlaskClient

from gateway import create_app
from tests.certificates import Files
from tests.chassis.cli.running import build_environment
from tests.chassis.cli.test_start import URL
from tests.gateway.real_front import PATIENCE_SECONDS, Answer, Front, answer, request
from tests.ports import find_free_address

ROOT = Path(__file__).parents[2]
HSTS = "strict-transport-security"
GUNICORN = [sys.executable, "-m", "gunicorn", "--config", "python:gateway.gunicorn_conf"]
REMOTE = {"GATEWAY_ORDERS_ADDR": "127.0.0.1:1,orders:50052"}


def refuse(bind: str = "127.0.0.1:0", **variables: str) -> list[str]:
    """Start a gateway that must not start, and return the lines that it writes."""
    done = subprocess.run(
        [*GUNICORN, "--bind", bind, "gateway:create_app()"],
        cwd=ROOT,
        env=build_environment(**variables),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == os.EX_CONFIG, done.stderr
    return [line for line in done.stderr.splitlines() if " [INFO] " not in line]  # gunicorn's own


@contextmanager
def running(folder: Path, bind: str, **variables: str) -> Iterator[Front]:
    """A gateway that runs, without services."""
    output = folder / "gunicorn.log"
    with output.open("wb") as written:
        process = subprocess.Popen(
            [*GUNICORN, "--workers", "1", "--bind", bind, "gateway:create_app()"],
            cwd=ROOT,
            env=build_environment(GATEWAY_DRAIN="0", **variables),
            stdout=written,
            stderr=written,
        )
    host, _, port = bind.rpartition(":")
    front = Front(process, (host.replace("0.0.0.0", "127.0.0.1"), int(port)), output)
    try:
        while "Booting worker" not in front.lines():
            assert process.poll() is None, front.lines()
        yield front
    finally:
        front.hang_up()
        process.terminate()
        process.wait(PATIENCE_SECONDS)


def ask(front: Front, authority: trustme.CA, **headers: str) -> Answer:
    """The answer to /livez over HTTPS."""
    context = ssl.create_default_context()
    authority.configure_trust(context)
    with context.wrap_socket(front.connect(), server_hostname="127.0.0.1") as client:
        client.sendall(request("GET", "/livez", b"", **headers))
        return answer(client)


@pytest.fixture
def files(tmp_path: Path) -> Files:
    return Files(tmp_path / "tls")


def https(files: Files) -> dict[str, str]:
    """The variables of a gateway that speaks HTTPS."""
    return {
        "GATEWAY_TLS_CERT": files.path("server-cert"),
        "GATEWAY_TLS_KEY": files.path("server-key"),
    }


def test_no_plaintext_goes_to_another_machine() -> None:
    (line,) = refuse(**REMOTE)
    assert line.startswith("gateway: Calls to orders:50052 would leave this machine in plaintext")
    assert line.endswith("Set GRPC_TLS_CA, or GRPC_PLAINTEXT=allow where the network is trusted.")


def test_it_goes_where_the_operator_allows_it_or_has_certificates(
    monkeypatch: pytest.MonkeyPatch, files: Files
) -> None:
    monkeypatch.setenv("GATEWAY_ORDERS_ADDR", "orders:50052")
    with pytest.raises(SystemExit, match="Calls to orders:50052 would leave"):
        create_app()
    monkeypatch.setenv("GRPC_PLAINTEXT", "allow")
    assert create_app().config["GRPC_TLS"] is None
    monkeypatch.delenv("GRPC_PLAINTEXT")
    for name, value in files.client().items():
        monkeypatch.setenv(name, value)
    tls = create_app().config["GRPC_TLS"]
    assert (str(tls.ca), str(tls.key)) == (files.path("ca"), files.path("client-key"))
    Path(files.path("client-key")).write_text("half a key")
    with pytest.raises(SystemExit):
        create_app()


def test_links_need_a_configured_address() -> None:
    bind = find_free_address().replace("127.0.0.1", "0.0.0.0")
    (line,) = refuse(bind)
    assert line.startswith(f"gateway: Other machines reach {bind}, and GATEWAY_PUBLIC_URL")


def test_production_names_each_thing_that_forbids_it() -> None:
    bind = find_free_address().replace("127.0.0.1", "0.0.0.0")
    lines = refuse(bind, **REMOTE, ENVIRONMENT="production", GRPC_PLAINTEXT="allow")
    beginnings = [
        "GATEWAY_PUBLIC_URL is not set, or is the default",
        f"Other machines reach {bind} over plain HTTP",
        "Calls to orders:50052 are plaintext: set GRPC_TLS_CA",
    ]
    assert [
        line.startswith(f"gateway: {each}") for line, each in zip(lines, beginnings, strict=True)
    ] == [True] * len(beginnings)
    (line,) = refuse(GATEWAY_PUBLIC_URL="http://optics.example", ENVIRONMENT="production")
    assert line == "gateway: GATEWAY_PUBLIC_URL is plaintext: links must begin with https."


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("ENVIRONMENT", "prod"),
        ("GATEWAY_PROXIES", "many"),
        ("GATEWAY_PUBLIC_URL", "optics.example"),
        ("GRPC_PLAINTEXT", "yes"),
        ("GRPC_TLS_CA", "/nowhere/ca.pem"),
        ("GRPC_TLS_CLIENT_CERT", "client.pem"),
    ],
)
def test_an_invalid_variable_stops_the_start(name: str, value: str) -> None:
    (line,) = refuse(**{name: value})
    assert line.startswith("gateway: ")


def test_production_starts_with_https(tmp_path: Path, files: Files) -> None:
    bind = find_free_address().replace("127.0.0.1", "0.0.0.0")
    variables = {**https(files), **files.client(), **REMOTE, **URL, "ENVIRONMENT": "production"}
    with running(tmp_path, bind, **variables) as front:
        found = ask(front, files.authority)
        assert (found.status, found.headers[HSTS]) == (200, "max-age=31536000")


def test_https_is_renewed_without_a_restart(tmp_path: Path, files: Files) -> None:
    with running(tmp_path, find_free_address(), **https(files)) as front:
        assert ask(front, files.authority).status == 200
        new = trustme.CA()
        issued = Path(files.path("server-key"))
        issued.write_text("half a key")
        assert ask(front, files.authority).status == 200
        files.issue("server", authority=new)
        assert ask(front, new).status == 200
        with pytest.raises(ssl.SSLCertVerificationError):
            ask(front, files.authority)


def test_over_http_there_is_no_hsts_whatever_a_client_says(tmp_path: Path) -> None:
    with running(tmp_path, find_free_address()) as front:
        heads = (
            request("GET", "/livez"),
            request("GET", "/livez", X_Forwarded_Proto="https"),
            request("GET", "/livez", X_Forwarded_Ssl="on", X_Forwarded_Protocol="ssl"),
        )
        for head in heads:
            found = front.ask(head)
            assert (found.status, HSTS in found.headers) == (200, False)


def test_behind_a_proxy_of_ours_the_proxy_says_what_is_https(tmp_path: Path) -> None:
    with running(tmp_path, find_free_address(), GATEWAY_PROXIES="1") as front:
        for proto, is_https in (
            ("https", True),
            ("http", False),
            ("http, https", True),  # the last one is our proxy's own
            ("https, http", False),
        ):
            found = front.get("/livez", X_Forwarded_Proto=proto)
            assert (HSTS in found.headers) is is_https, proto
        assert HSTS not in front.get("/livez").headers


def test_every_answer_over_https_has_it() -> None:
    client: FlaskClient = create_app().test_client()
    for path in ("/livez", "/nothing", "/v1/labs", "/orders/login", "/"):
        found = client.get(path, base_url="https://optics.example")
        assert found.headers["Strict-Transport-Security"] == "max-age=31536000", path
        assert "Strict-Transport-Security" not in client.get(path).headers
