"""The scripts of the pods, and the lines of docs/kubernetes.md; no cluster runs here."""

import os
import re
import shlex
import shutil
import stat
import subprocess
import sys
import time
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import click
import pytest

from openapi.configuration.variables import find_variables
from optigate.command import cli
from tests import postgres
from tests.deploy.kustomize import ROOT, Resource, render
from tests.deploy.test_kubernetes import SECRETS, find, get_main, get_pod
from tests.examples.test_lines import list_blocks, list_lines

PAGE = "docs/kubernetes.md"


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    """An environment with the command `optigate`, and the tools of PostgreSQL."""
    command = tmp_path / "bin" / "optigate"
    command.parent.mkdir()
    command.write_text(f'#!/bin/sh\nexec {sys.executable} -m optigate "$@"\n')
    command.chmod(0o755)
    path = f"{command.parent}:{postgres.find_tools()}:{os.environ['PATH']}"
    return {**os.environ, "PATH": path, "PYTHONPATH": str(ROOT)}


def localize(words: list[str], folder: Path) -> list[str]:
    """A command with folders of this machine in place of a pod's."""
    return [re.sub(r"(?<![\w.])/(run|backups)\b", rf"{folder}/\1", word) for word in words]


def find_prepared(name: str) -> Resource:
    """A container that prepares the pods of the orders service."""
    prepared = get_pod(find("Deployment")["orders"])["spec"]["initContainers"]
    (found,) = (each for each in prepared if each["name"] == name)
    return found  # type: ignore[no-any-return]


def test_the_ring_is_copied_for_its_owner_alone(tmp_path: Path) -> None:
    ring = tmp_path / "run" / "secrets" / "optigate" / "encryption-keys"
    ring.parent.mkdir(parents=True)
    (tmp_path / "run" / "keys").mkdir()
    ring.write_text("2026-11 key\n")
    ring.chmod(0o440)
    subprocess.run(localize(find_prepared("keys")["command"], tmp_path), check=True, timeout=60)
    copy = tmp_path / "run" / "keys" / "encryption-keys"
    assert (copy.read_text(), stat.S_IMODE(copy.stat().st_mode)) == ("2026-11 key\n", 0o400)


def test_a_pod_waits_for_the_schema(tmp_path: Path, environment: dict[str, str]) -> None:
    environment["DATA_DIR"] = str(tmp_path)
    *words, script = find_prepared("schema")["command"]
    command = [*words, script.replace("sleep 5", "sleep 0.2")]
    errors = tmp_path / "errors"
    with (
        errors.open("w") as file,
        subprocess.Popen(command, cwd=tmp_path, env=environment, stderr=file) as waiting,
    ):
        try:
            end = time.monotonic() + 120
            while "migrate" not in errors.read_text():
                assert time.monotonic() < end
                assert waiting.poll() is None
                time.sleep(0.1)
            migrate = get_main(find("Job")["orders-migrate"])["command"]
            subprocess.run(migrate, cwd=tmp_path, env=environment, check=True, timeout=120)
            assert waiting.wait(120) == 0
        finally:
            waiting.terminate()


def test_a_file_is_loaded_from_standard_input(
    tmp_path: Path, environment: dict[str, str], store_url: Callable[[str, str], str]
) -> None:
    environment |= {"DATABASE_URL": store_url("orders", "sqlite"), "DATA_DIR": str(tmp_path)}
    with (ROOT / "demo" / "orders.toml").open() as file:
        done = subprocess.run(
            ["optigate", "orders", "load", "/dev/stdin"],
            stdin=file,
            cwd=tmp_path,
            env=environment,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
    assert done.returncode == 0, done.stderr
    assert "labs: " in done.stdout


def test_a_backup_is_a_whole_dump(
    tmp_path: Path, environment: dict[str, str], store_url: Callable[[str, str], str]
) -> None:
    url = store_url("orders", "postgresql")
    secret = tmp_path / "run" / "secrets" / "optigate" / "database-url"
    secret.parent.mkdir(parents=True)
    secret.write_text(url)
    kept = tmp_path / "backups"
    kept.mkdir()
    for name, days in (("orders-old.dump", 20), ("sessions-old.dump", 20), ("orders-new.dump", 2)):
        (kept / name).touch()
        past = time.time() - days * 86_400
        os.utime(kept / name, (past, past))
    main = get_main(find("CronJob")["orders-backup"])
    environment |= {each["name"]: each["value"] for each in main["env"]}
    command = localize(main["command"], tmp_path)
    subprocess.run(command, env=environment, check=True, timeout=120, stdout=subprocess.DEVNULL)
    others = {"sessions-old.dump", "orders-new.dump"}
    assert others < {each.name for each in kept.iterdir()}
    (dump,) = (each for each in kept.iterdir() if each.name not in others)
    listed = subprocess.check_output(["pg_restore", "--list", dump], env=environment, text=True)
    assert "TABLE DATA public orders" in listed


def test_a_failed_backup_leaves_no_dump_and_removes_none(
    tmp_path: Path, environment: dict[str, str]
) -> None:
    secret = tmp_path / "run" / "secrets" / "optigate" / "database-url"
    secret.parent.mkdir(parents=True)
    secret.write_text("postgresql+psycopg://orders@127.0.0.1:1/orders")
    kept = tmp_path / "backups"
    kept.mkdir()
    (kept / "orders-old.dump").touch()
    os.utime(kept / "orders-old.dump", (0, 0))
    main = get_main(find("CronJob")["orders-backup"])
    environment |= {each["name"]: each["value"] for each in main["env"]}
    done = subprocess.run(
        localize(main["command"], tmp_path),
        env=environment,
        capture_output=True,
        timeout=60,
        check=False,
    )
    assert done.returncode != 0
    assert [each.name for each in kept.glob("*.dump")] == ["orders-old.dump"]


def test_a_dump_is_made_as_the_manual_says() -> None:
    (manual,) = (line for line in list_lines("docs/operate.md") if line.startswith("pg_dump"))
    script = get_main(find("CronJob")["orders-backup"])["command"][-1]
    (line,) = (line for line in script.splitlines() if line.startswith("pg_dump"))
    options = [word for word in shlex.split(manual) if word.startswith("--") and "=" not in word]
    assert set(options) | {"--format=custom"} <= set(shlex.split(line))


def list_page_lines() -> list[str]:
    """The lines of the page, with loops written out."""
    lines = []
    for line in list_lines(PAGE):
        if found := re.fullmatch(r"for name in (.+?); do (.+?); done", line):
            lines += [found[2].replace("$name", name) for name in found[1].split()]
        else:
            lines.append(line)
    return lines


@pytest.mark.parametrize("line", list_page_lines())
def test_each_line_names_what_is_there(line: str) -> None:
    words = shlex.split(line.replace("$(", "(").partition(" > ")[0].partition(" < ")[0])
    if words[0] in ("echo", "openssl", "umask"):
        return
    assert words[0] == "kubectl", line
    options = dict(pairwise(words))
    if folder := options.get("-k") or (words[2] if words[1] == "kustomize" else ""):
        assert (ROOT / folder / "kustomization.yaml").exists()
    names = {f"{each['kind'].lower()}/{each['metadata']['name']}" for each in render("ha")}
    for word in words:
        if re.fullmatch(r"(deployment|job|cronjob)/[\w-]+", word):
            assert word in names, word
        if word.startswith("--from=cronjob/"):
            assert word.removeprefix("--from=") in names
    if "configmap" in words:
        named = {
            word[15:].partition("=")[0] for word in words if word.startswith("--from-literal=")
        }
        assert named - find_variables().keys() == set()
    if "--" in words:
        check_command(words[words.index("--") + 1 :])


def check_command(words: list[str]) -> None:
    """Resolve the words of `optigate` after those of kubectl."""
    assert words[0] == "optigate"
    command: click.Command = cli
    parent, rest = click.Context(cli), words[1:]
    while isinstance(command, click.Group):
        found = command.get_command(parent, rest.pop(0))
        assert found, words
        command = found
    command.make_context(words[-1], rest, parent=parent)


def test_the_page_creates_every_secret_with_its_keys() -> None:
    made: dict[str, set[str]] = {}
    for line in list_page_lines():
        words = shlex.split(line.replace("$(", "("))
        if "secret" in words and "create" in words:
            name = words[words.index("generic") + 1]
            keys = re.findall(r"--from-(?:literal|file)=([\w.-]+)=", line)
            made.setdefault(name, set()).update(keys)
    by_cert_manager = {name for name in SECRETS if name.endswith("-tls")}
    by_operator = {"postgres-ca"}
    assert {n: k for n, k in made.items() if n in SECRETS} == {
        name: keys for name, keys in SECRETS.items() if name not in by_cert_manager | by_operator
    }
    (cluster, *_) = render("cloudnative-pg")
    roles = {each["passwordSecret"]["name"] for each in cluster["spec"]["managed"]["roles"]}
    assert made.keys() - SECRETS.keys() == roles
    assert all(made[name] == {"username", "password"} for name in roles)


@pytest.mark.skipif(not shutil.which("kubectl"), reason="kubectl itself, where there is one")
def test_kubectl_takes_the_lines_that_need_no_cluster(tmp_path: Path) -> None:
    blocks = [each for each in list_blocks(PAGE) if re.search(r"create (secret|configmap)", each)]
    assert len(blocks) == 2
    for block in blocks:
        script = block.replace("kubectl -n optigate create", "kubectl create --dry-run=client")
        script = re.sub(r"^kubectl (apply|label) .*\n", "", script, flags=re.MULTILINE)
        done = subprocess.run(
            ["bash", "-euc", script],
            cwd=tmp_path,
            env={**os.environ, "KUBECONFIG": "/dev/null"},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        assert done.stdout.count("created (dry run)") in (1, 7)
