"""The shipped parts agree: packages, pins, Procfile, image and compose file."""

import re
import shlex
import shutil
import tempfile
import tomllib
from pathlib import Path
from typing import Any

import psycopg
import pytest
from ruamel.yaml import YAML

from tests import postgres

ROOT = Path(__file__).parent.parent
PACKAGING = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["packages"]
PROTOS = tomllib.loads((ROOT / "protos" / "pyproject.toml").read_text())["tool"]["setuptools"]
SERVICES = ["sessions", "orders", "subscriptions"]


def compose() -> dict[str, Any]:
    """The compose file, read as YAML 1.2 with its merges done."""
    services: dict[str, Any] = YAML(typ="safe").load(ROOT / "compose.yaml")["services"]
    return services


def read_procfile() -> dict[str, list[str]]:
    """Each process of the Procfile with the words of its command."""
    lines = (ROOT / "Procfile").read_text().splitlines()
    named = (line.split(": ", 1) for line in lines)
    return {name: shlex.split(command) for name, command in named}


def read_pins(name: str) -> dict[str, str]:
    """Each requirement of a pins file with the lines that belong to it."""
    text = (ROOT / "requirements" / name).read_text()
    blocks = re.split(r"^(?=[a-z])", text, flags=re.MULTILINE)[1:]
    return {block.split(" ")[0]: block for block in blocks}


def test_every_package_is_installed() -> None:
    held = {
        path.relative_to(ROOT).parts[0]
        for path in ROOT.glob("[a-z]*/__init__.py")
        if path.parent.name not in {"bench", "openapi", "tests"}
    }
    assert {f"{name}*" for name in held - {"protos"}} == set(PACKAGING["find"]["include"])
    assert PROTOS["packages"] == ["protos"]
    for name in held:
        folders = {path.parent for path in (ROOT / name).rglob("*.py")}
        bare = {folder for folder in folders if not (folder / "__init__.py").exists()}
        assert all("migrations" in folder.parts for folder in bare)


@pytest.mark.parametrize("name", ["run.txt", "dev.txt"])
def test_every_pin_is_exact_and_has_hashes(name: str) -> None:
    loose = {
        pin for pin, block in read_pins(name).items() if "==" not in pin or "sha256:" not in block
    }
    assert not loose


@pytest.mark.parametrize("name", ["run.txt", "dev.txt"])
def test_the_pins_name_no_host_and_no_path(name: str) -> None:
    text = (ROOT / "requirements" / name).read_text()
    assert not re.findall(r"\w+://\S*|^-\S+|(?<![\w.])/\w\S*", text, flags=re.MULTILINE)


def test_the_tests_run_on_the_pins_that_ship() -> None:
    assert read_pins("run.txt").keys() <= read_pins("dev.txt").keys()


def test_the_image_holds_every_package_the_version_and_what_the_demo_needs() -> None:
    lines = (ROOT / "Containerfile").read_text().splitlines()
    copied = {line.split()[1].rstrip("/") for line in lines if line.startswith("COPY ")}
    top = {name.rstrip("*") for name in PACKAGING["find"]["include"]}
    assert copied == {*top, *PROTOS["packages"], "requirements/run.txt", "pyproject.toml"}

    allowed = (ROOT / ".dockerignore").read_text().splitlines()
    assert {line[1:] for line in allowed if line.startswith("!")} == copied


def test_the_image_runs_the_gateway_as_the_procfile_does() -> None:
    image = (ROOT / "Containerfile").read_text()
    command = image[image.index("CMD [") :].replace("\\\n", "")
    words = re.findall(r'"([^"]*)"', command)

    local = read_procfile()["gateway"]
    assert words[0] == "gunicorn"
    assert words[3:] == local[local.index("--bind") + 2 :]


def test_the_procfile_starts_the_four_processes() -> None:
    assert list(read_procfile()) == [*SERVICES, "gateway"]
    assert [read_procfile()[name][-2:] for name in SERVICES] == [
        ["-m", f"{name}_svc"] for name in SERVICES
    ]


@pytest.mark.parametrize("name", SERVICES)
def test_compose_migrates_starts_and_watches_each_service(name: str) -> None:
    service = compose()[name]
    start = f"python -m {name}_svc migrate && exec python -m {name}_svc"
    assert service["command"] == ["sh", "-c", start]
    assert service["healthcheck"]["test"] == ["CMD", "python", "-m", f"{name}_svc", "health"]
    assert service["environment"]["DATABASE_URL"].endswith(f"@postgres/{name}")
    assert service["depends_on"] == {"postgres": {"condition": "service_healthy"}}


def test_the_composed_gateway_knows_where_each_service_listens() -> None:
    services = compose()
    ports = {name: services[name]["environment"]["LISTEN"].split(":")[1] for name in SERVICES}
    addresses = {
        key: value
        for key, value in services["gateway"]["environment"].items()
        if key.endswith("_ADDR")
    }
    assert addresses == {f"GATEWAY_{name.upper()}_ADDR": f"{name}:{ports[name]}" for name in ports}
    assert services["gateway"]["depends_on"].keys() == set(SERVICES)


def test_compose_wants_to_know_where_people_come_from() -> None:
    for name in (*SERVICES, "gateway"):
        environment = compose()[name]["environment"]
        assert environment["GATEWAY_PUBLIC_URL"].startswith("${GATEWAY_PUBLIC_URL:?")
        assert environment["GRPC_PLAINTEXT"] == "${GRPC_PLAINTEXT-allow}"


def test_compose_holds_no_secret() -> None:
    secrets = [
        value
        for service in compose().values()
        for key, value in service["environment"].items()
        if key in {"PGPASSWORD", "POSTGRES_PASSWORD", "SECRET_KEY"}
    ]
    assert len(secrets) == 4
    assert all(value.startswith("${") and ":?" in value for value in secrets)


def test_the_wheel_serves_where_no_postgresql_is_installed() -> None:
    folder = Path(tempfile.mkdtemp(dir="/tmp"))
    url, stop = postgres.launch(postgres.find_wheel_binaries(folder), folder)
    try:
        database = postgres.create_database(url, "proof").replace("+psycopg", "")
        with psycopg.connect(database) as connection:
            row = connection.execute("SELECT current_database()").fetchone()
        assert row == ("proof",)
    finally:
        stop()
        shutil.rmtree(folder, ignore_errors=True)
