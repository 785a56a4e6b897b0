"""The shipped parts agree: packages, pins, Procfile, image and compose file."""

import re
import shlex
import shutil
import tempfile
import tomllib
from pathlib import Path

import psycopg
import pytest
from click.testing import CliRunner

from optigate.command import cli
from tests import postgres
from tests.deploy.composition import read_services as compose
from tests.deploy.image import list_steps

ROOT = Path(__file__).parent.parent
PACKAGING = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["packages"]
PROTOS = tomllib.loads((ROOT / "protos" / "pyproject.toml").read_text())["tool"]["setuptools"]
PINS = ["run.txt", "dev.txt", "image.txt", "build.txt", "pip.txt"]
SERVICES = ["sessions", "orders", "subscriptions"]


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


def list_hashes(block: str) -> set[str]:
    """The hashes of a pin."""
    return set(re.findall(r"sha256:\w+", block))


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


@pytest.mark.parametrize("name", PINS)
def test_every_pin_is_exact_and_has_hashes(name: str) -> None:
    loose = {
        pin for pin, block in read_pins(name).items() if "==" not in pin or "sha256:" not in block
    }
    assert not loose


@pytest.mark.parametrize("name", PINS)
def test_the_pins_name_no_host_and_no_path(name: str) -> None:
    text = (ROOT / "requirements" / name).read_text()
    assert not re.findall(r"\w+://\S*|^-\S+|(?<![\w.])/\w\S*", text, flags=re.MULTILINE)


def test_the_tests_run_on_the_pins_that_ship() -> None:
    tested = {name: list_hashes(block) for name, block in read_pins("dev.txt").items()}
    for name in ("image.txt", "build.txt", "pip.txt"):
        shipped = {each: list_hashes(block) for each, block in read_pins(name).items()}
        assert shipped.items() <= tested.items()
    assert read_pins("run.txt").keys() <= read_pins("image.txt").keys()


def test_the_image_holds_every_package_and_what_the_demo_needs() -> None:
    steps = list_steps((ROOT / "Containerfile").read_text())
    copies = [words.split() for name, words in steps if name == "COPY" and "--from" not in words]
    copied = {source.rstrip("/") for *sources, _target in copies for source in sources}
    top = {name.rstrip("*") for name in PACKAGING["find"]["include"]}
    pins = {"requirements/build.txt", "requirements/image.txt"}
    assert copied == {*top, *PROTOS["packages"], *pins, "pyproject.toml", "README.md"}

    allowed = (ROOT / ".dockerignore").read_text().splitlines()
    assert {line[1:] for line in allowed if line.startswith("!")} == copied


def test_the_image_runs_the_gateway_as_the_procfile_does(monkeypatch: pytest.MonkeyPatch) -> None:
    programs: list[list[str]] = []
    monkeypatch.setattr("os.execv", lambda _path, words: programs.append(words))
    assert CliRunner().invoke(cli, ["gateway", "--bind", "127.0.0.1:0"]).exit_code == 0
    local = read_procfile()["gateway"]
    ((_python, *words),) = programs
    assert words[:3] == local[local.index("-m") :][:3]
    assert words[4:] == local[local.index("--bind") + 2 :]


def test_the_procfile_starts_the_four_processes() -> None:
    assert list(read_procfile()) == [*SERVICES, "gateway"]
    assert [read_procfile()[name][-2:] for name in SERVICES] == [
        ["-m", f"{name}_svc"] for name in SERVICES
    ]


@pytest.mark.parametrize("name", SERVICES)
def test_compose_starts_and_watches_each_service(name: str) -> None:
    service = compose()[name]
    assert service["command"] == [name]
    assert service["healthcheck"]["test"] == ["CMD", "optigate", name, "health"]
    host = "${DATABASE_HOST:-postgres}"
    assert service["environment"]["DATABASE_URL"].endswith(f"@{host}/{name}")
    assert service["environment"]["WORKERS"] == "${WORKERS:-1}"
    jobs = {"certificates", "prepare"}
    ended = {"condition": "service_completed_successfully"}
    assert {job: service["depends_on"][job] for job in jobs} == dict.fromkeys(jobs, ended)


def test_the_composed_gateway_knows_where_each_service_listens() -> None:
    services = compose()
    ports = {name: services[name]["environment"]["LISTEN"].split(":")[1] for name in SERVICES}
    addresses = {
        key: value
        for key, value in services["gateway"]["environment"].items()
        if key.endswith("_ADDR")
    }
    variables = {name: f"GATEWAY_{name.upper()}_ADDR" for name in ports}
    assert addresses == {
        variable: f"${{{variable}:-{name}:{ports[name]}}}" for name, variable in variables.items()
    }
    assert services["gateway"]["depends_on"].keys() == {*SERVICES, "redis"}


def test_what_compose_needs_of_a_profile_is_not_required_without_it() -> None:
    services = compose()
    for service in services.values():
        waits = service.get("depends_on", {})
        for name in waits:
            if "profiles" in services[name] and "profiles" not in service:
                assert waits[name]["required"] is False


def test_compose_wants_to_know_where_people_come_from() -> None:
    for name in (*SERVICES, "gateway", "welcome"):
        environment = compose()[name]["environment"]
        assert environment["GATEWAY_PUBLIC_URL"].startswith("${GATEWAY_PUBLIC_URL:?")


def test_compose_speaks_tls_and_no_container_has_the_key_of_another() -> None:
    for name in (*SERVICES, "gateway"):
        service = compose()[name]
        assert "GRPC_PLAINTEXT" not in service["environment"]
        paths = {v for k, v in service["environment"].items() if k.startswith("GRPC_TLS_")}
        assert paths == {f"/tls/{name}/{file}.pem" for file in ("ca", "certificate", "key")}
        mounted = [volume for volume in service["volumes"] if "/tls" in volume]
        assert mounted == [f"tls-{name}:/tls/{name}:ro"]
    once, daily = compose()["certificates"], compose()["renewal"]
    assert set(once["command"][-4:]) == {*SERVICES, "gateway"}
    assert [word for word in daily["command"] if word != "--daily"] == once["command"]
    assert daily["volumes"] == once["volumes"]


def test_compose_holds_no_secret() -> None:
    secrets = [
        value
        for service in compose().values()
        for key, value in service.get("environment", {}).items()
        if key in {"DB_PASSWORD", "PGPASSWORD", "POSTGRES_PASSWORD", "SECRET_KEY"}
    ]
    assert len(secrets) == 6
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


def test_a_version_has_its_heading_and_its_protos() -> None:
    """Those of this version: what CONTRIBUTING.md says of a release is done."""
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    assert f"\n## [{version}] - " in (ROOT / "CHANGELOG.md").read_text()
    protos = f"protos/releases/{version}.binpb"
    assert (ROOT / protos).exists()
    assert f"buf breaking --against {protos}\n" in (ROOT / "Makefile").read_text()
