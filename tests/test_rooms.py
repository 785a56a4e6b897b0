"""The house keeps its order: the same rooms in every service, the same name at every hop."""

import re
import subprocess
from collections import Counter
from pathlib import Path

import pytest

from protos import orders_pb2, sessions_pb2, subscriptions_pb2

ROOT = Path(__file__).parent.parent
MODULES = {"sessions": sessions_pb2, "orders": orders_pb2, "subscriptions": subscriptions_pb2}
SERVICES = {f"{name}_svc": module.DESCRIPTOR for name, module in MODULES.items()}
ROOMS = {"rpcs", "actions", "documents", "store", "rules", "migrations"}
OPTIONAL_ROOMS = {"notices", "languages"}
# RPCs that write nothing have no action.
READS = re.compile(
    r"(Get|List|Read|Search|Check|Export)[A-Z]\w+|WhoAmI|CreatePreApproval|CreatePriceSimulation"
)
# What time alone does is an action without an RPC.
BY_TIME = {"advance_by_time", "read_status_files", "send_job"}
MAX_LINES, MAX_FILES = 400, 14
LONG_FOLDERS = {"tests", "versions"}


def tracked(*patterns: str) -> list[Path]:
    """The files of the repository that match, generated code left out."""
    listed = subprocess.check_output(["git", "ls-files", "--", *patterns], cwd=ROOT, text=True)
    return [ROOT / each for each in listed.splitlines() if "_pb2" not in each]


def snake(name: str) -> str:
    """CreateOrder as create_order."""
    return re.sub(r"(?<!^)(?=[A-Z])", "_", name).lower()


def list_writes(service: str) -> set[str]:
    """The RPCs of a service that write, in snake case."""
    rpcs = (
        method.name
        for each in SERVICES[service].services_by_name.values()
        for method in each.methods
    )
    return {snake(rpc) for rpc in rpcs if not READS.fullmatch(rpc)}


def list_actions(service: str) -> list[Path]:
    """The files of a service's actions."""
    files = (ROOT / service / "actions").rglob("*.py")
    return [path for path in files if path.stem != "__init__"]


@pytest.mark.parametrize("service", SERVICES)
def test_every_service_has_the_same_rooms(service: str) -> None:
    folders = {path.name for path in (ROOT / service).iterdir() if path.is_dir()}
    assert ROOMS <= folders - {"__pycache__"} <= ROOMS | OPTIONAL_ROOMS
    files = {path.name for path in (ROOT / service).glob("*.py")}
    assert files == {"__init__.py", "__main__.py", "definition.py", "reference.py"}


@pytest.mark.parametrize("service", SERVICES)
def test_every_grpc_service_has_its_file(service: str) -> None:
    files = {path.stem for path in (ROOT / service / "rpcs").glob("*_service.py")}
    assert files == {snake(name) for name in SERVICES[service].services_by_name}


@pytest.mark.parametrize("service", SERVICES)
def test_every_write_is_an_action_of_its_name(service: str) -> None:
    files = {path.stem for path in list_actions(service)}
    assert files - BY_TIME == list_writes(service)
    for name in files:
        (text,) = (path.read_text() for path in list_actions(service) if path.stem == name)
        assert re.search(rf"^def {name}\(", text, re.MULTILINE), name


@pytest.mark.parametrize("service", SERVICES)
def test_every_action_has_its_tests(service: str) -> None:
    tests = {path.stem for path in (ROOT / "tests" / service).rglob("test_*.py")}
    missing = {name for name in list_writes(service) if f"test_{name}" not in tests}
    assert not missing


def test_files_are_short() -> None:
    lengths = {path: len(path.read_text().splitlines()) for path in tracked("*.py")}
    long = {str(path.relative_to(ROOT)): n for path, n in lengths.items() if n > MAX_LINES}
    assert not long


def test_folders_are_small() -> None:
    files = tracked("*.py")
    sizes = Counter(path.parent for path in files)
    large = {
        str(folder.relative_to(ROOT)): n
        for folder, n in sizes.items()
        if n > MAX_FILES and not LONG_FOLDERS & set(folder.relative_to(ROOT).parts)
    }
    assert not large


def test_retired_words_are_gone() -> None:
    lines = (ROOT / "tests" / "retired_words.txt").read_text().splitlines()
    retired = [
        re.compile(re.split(r"\s{2,}", line)[0])
        for line in lines
        if line and not line.startswith("#")
    ]
    read = tracked("*.py", "*.md", "*.proto", "*.html", "*.toml", "*.txt", "Makefile")
    skipped = {ROOT / "tests/retired_words.txt", *(ROOT / "requirements").iterdir()}
    found = [
        f"{path.relative_to(ROOT)}:{number}: {word.pattern}"
        for path in read
        if path not in skipped
        for number, line in enumerate(path.read_text().splitlines(), 1)
        for word in retired
        if word.search(line)
    ]
    assert not found


def test_what_the_documents_name_exists() -> None:
    """`gateway/orders.py: create_order` names a file, and something that is defined in it."""
    missing = []
    for document in (
        ROOT / "README.md",
        ROOT / "docs" / "architecture.md",
        ROOT / "CONTRIBUTING.md",
    ):
        for path, name in re.findall(r"`([\w/]+\.py): ([\w.]+)`", document.read_text()):
            file = ROOT / path
            found = file.exists() and all(
                re.search(rf"\b(?:def|class) {part}\b", file.read_text())
                for part in name.split(".")
            )
            if not found and "hold_order" not in name:
                missing.append(f"{document.name}: {path}: {name}")
    assert not missing
