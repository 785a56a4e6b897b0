"""The two wheels: what they hold, and that they work where nothing else of this tree is."""

import os
import re
import shutil
import subprocess
import sys
import sysconfig
import tomllib
import zipfile
from importlib.metadata import version
from pathlib import Path

import pytest

from tests.journeys.test_make_run import Copy
from tests.serving import Served

ROOT = Path(__file__).parent.parent
INSTALLED = Path(sysconfig.get_path("purelib"))
# All that a client has beside optigate-protos: grpcio and protobuf, and what mypy reads of them.
CLIENT = (
    *("grpc", "typing_extensions.py", "google/protobuf", "google/_upb"),
    *("grpc-stubs", "google-stubs"),
)
DISTRIBUTIONS = ("grpcio", "protobuf", "typing_extensions")
pytestmark = pytest.mark.timeout(300)


def run(*words: str | Path, cwd: Path, **environment: str) -> str:
    """Run a program without this tree on its path, and return what it prints."""
    kept = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run(
        [str(word) for word in words],
        cwd=cwd,
        env={**kept, **environment},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def wheels(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The wheels of a copy of this tree, as `make dist` builds them."""
    folder = tmp_path_factory.mktemp("dist")
    listed = run("git", "ls-files", "--cached", "--others", "--exclude-standard", cwd=ROOT)
    for name in filter(lambda each: (ROOT / each).is_file(), listed.splitlines()):
        copy = folder / "tree" / name
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, copy)
    (line,) = re.findall(r"PY\) (-m pip wheel .*)$", (ROOT / "Makefile").read_text(), re.MULTILINE)
    run(sys.executable, *line.split(), "--no-index", cwd=folder / "tree")
    built = (folder / "tree" / "dist").glob("*.whl")
    return {path.name.partition("-")[0]: path for path in built}


def make_environment(folder: Path, *wheels: Path) -> Path:
    """A virtual environment with wheels alone; returns its Python."""
    run(sys.executable, "-m", "venv", "--without-pip", folder, cwd=ROOT)
    python = folder / "bin" / "python"
    pip = (sys.executable, "-m", "pip", "--python", str(python))
    run(*pip, "install", "-qq", "--no-deps", "--no-index", *wheels, cwd=folder)
    return python


def find_packages(python: Path) -> Path:
    """The site-packages of an environment."""
    (found,) = (python.parent.parent / "lib").glob("python*/site-packages")
    return found


def list_files(wheel: Path) -> set[str]:
    """The names in a wheel."""
    return set(zipfile.ZipFile(wheel).namelist())


def list_tracked(*patterns: str) -> set[str]:
    """The files of the repository that match."""
    return set(run("git", "ls-files", "--", *patterns, cwd=ROOT).splitlines())


@pytest.fixture(scope="module")
def client(wheels: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The Python of an environment with optigate-protos, grpcio and protobuf alone."""
    python = make_environment(tmp_path_factory.mktemp("client") / "v", wheels["optigate_protos"])
    packages = find_packages(python)
    (packages / "google").mkdir()
    names = [f"{name}-{version(name)}.dist-info" for name in DISTRIBUTIONS]
    for name in (*CLIENT, *names):
        (packages / name).symlink_to(INSTALLED / name)
    return python


def test_the_packages_are_of_one_version() -> None:
    root = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    protos = tomllib.loads((ROOT / "protos" / "pyproject.toml").read_text())["project"]
    assert protos["version"] == root["version"]
    assert f"{protos['name']}=={protos['version']}" in root["dependencies"]
    assert set(protos["dependencies"]) < set(root["dependencies"])


def test_optigate_protos_alone_holds_the_protos(wheels: dict[str, Path]) -> None:
    held = {name for name in list_files(wheels["optigate_protos"]) if ".dist-info" not in name}
    tracked = list_tracked("protos/*_pb2*", "protos/*.proto", "protos/*.py")
    assert held == {*tracked, "protos/optigate.binpb", "protos/py.typed"}
    assert not {name for name in list_files(wheels["optigate"]) if name.startswith("protos")}


def test_the_wheel_of_optigate_holds_every_file_of_its_packages(wheels: dict[str, Path]) -> None:
    tops = {name.partition("/")[0] for name in list_files(wheels["optigate"])}
    packages = {name for name in tops if not name.endswith(".dist-info")}
    missing = list_tracked(*packages) - list_files(wheels["optigate"])
    assert {Path(name).name for name in missing} <= {"README.md", "EXAM.md"}


def test_nothing_is_wrong_with_the_wheels(wheels: dict[str, Path]) -> None:
    checker = Path(sys.executable).parent / "check-wheel-contents"
    # W002: the services have equal first migrations. W004: alembic finds migrations by their path.
    # W009: each service is a package of its own.
    run(checker, "--ignore", "W002,W004,W009", *wheels.values(), cwd=ROOT)


@pytest.mark.parametrize("engine", ["sqlite"], indirect=True)
def test_a_client_calls_with_optigate_protos_alone(client: Path, sessions: Served) -> None:
    text = (ROOT / "protos" / "README.md").read_text()
    (snippet,) = re.findall(r"^```python\n(.*?)^```", text, re.DOTALL | re.MULTILINE)
    script = client.parent / "who.py"
    script.write_text(snippet.replace("127.0.0.1:50051", sessions.address))
    assert run(client, "-P", script, cwd=client.parent) == "demo-partner\n"
    pip = (sys.executable, "-m", "pip", "--python", str(client))
    assert run(*pip, "check", cwd=client.parent) == "No broken requirements found.\n"


def test_its_types_are_strict(client: Path, tmp_path: Path) -> None:
    right = tmp_path / "right.py"
    text = (ROOT / "protos" / "README.md").read_text()
    (snippet,) = re.findall(r"^```python\n(.*?)^```", text, re.DOTALL | re.MULTILINE)
    right.write_text(snippet)
    wrong = tmp_path / "wrong.py"
    wrong.write_text(snippet.replace("answer.partner", "answer.partners"))
    mypy = (sys.executable, "-m", "mypy", "--strict", "--python-executable", str(client))
    run(*mypy, right, cwd=tmp_path)
    done = subprocess.run([*mypy, wrong], cwd=tmp_path, capture_output=True, text=True, timeout=120)
    assert 'has no attribute "partners"' in done.stdout


def test_the_image_describes_every_rpc(client: Path) -> None:
    script = """
from importlib.resources import files
from google.protobuf.descriptor_pb2 import FileDescriptorSet
image = FileDescriptorSet.FromString(files("protos").joinpath("optigate.binpb").read_bytes())
print(*(f"{each.package}.{service.name}" for each in image.file for service in each.service))
"""
    printed = run(client, "-P", "-c", script, cwd=client.parent).split()
    assert "optigate.orders.v1.LabDeskService" in printed
    assert len(printed) == len(
        re.findall(
            r"^service ",
            "".join(path.read_text() for path in (ROOT / "protos").glob("*.proto")),
            re.MULTILINE,
        )
    )


@pytest.fixture(scope="module")
def python(wheels: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The Python of an environment with both wheels and what they need."""
    made = make_environment(tmp_path_factory.mktemp("installed") / "v", *wheels.values())
    (find_packages(made) / "dependencies.pth").write_text(f"{INSTALLED}\n")
    return made


def test_the_services_run_from_the_wheels(python: Path, tmp_path: Path) -> None:
    folder = tmp_path / "empty"
    folder.mkdir()
    for service in ("sessions", "orders", "subscriptions"):
        run(python, "-P", "-m", f"{service}_svc", "migrate", cwd=folder)
    assert {path.name for path in (folder / "data").glob("*.db")} == {
        *("sessions.db", "orders.db", "subscriptions.db")
    }
    assert run(python.parent / "optigate", "--version", cwd=folder).startswith("optigate ")
    paths = run(
        python,
        "-P",
        "-c",
        "import gateway; gateway.create_app(); import protos\n"
        "print(gateway.__file__, protos.__file__)",
        cwd=folder,
    )
    assert all(each.startswith(str(find_packages(python))) for each in paths.split())


def test_the_installed_command_runs_the_demo(python: Path, tmp_path: Path) -> None:
    folder = tmp_path / "empty"
    folder.mkdir()
    copy = Copy({"DATA_DIR": str(folder / "data"), "PYTHONSAFEPATH": "1"})
    copy.environment.pop("PYTHONPATH", None)
    printed = copy.start([python.parent / "optigate", "demo"], folder)
    try:
        assert f"-d @{find_packages(python)}/demo/order.json" in printed
        said = run(python.parent / "optigate", "status", cwd=folder, **copy.environment)
        assert said.count("  serving  current  0") == 3
        assert "  ready" in said
    finally:
        copy.stop()
