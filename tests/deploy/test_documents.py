"""The lines of docs/operate.md about containers: what they name is there."""

import re
import shlex
import shutil
import subprocess
from pathlib import Path

import pytest
from click.testing import CliRunner

from optigate.command import cli
from tests.deploy.composition import VARIABLE, read_services
from tests.deploy.image import ROOT
from tests.examples.test_lines import list_lines

LINES = [line for line in list_lines("docs/operate.md") if "docker " in line]
# Their options with a value; all others stand alone.
VALUED = {"--profile", "--scale", "-f", "-t", "-v", "--tmpfs", "--health-cmd"}


def show_help(words: list[str]) -> None:
    """The help of the command that the words run exists, with the options that are named."""
    shown = CliRunner().invoke(cli, [*words, "--help"], prog_name="optigate")
    assert (shown.exit_code, shown.output[:6]) == (0, "Usage:"), (words, shown.output)


def split(line: str) -> tuple[dict[str, str], list[str], dict[str, str], list[str]]:
    """The variables of a line, the words of docker, their options, and what follows the image."""
    words = shlex.split(line)
    start = words.index("docker")
    variables = dict(word.split("=", 1) for word in words[:start])
    plain, options, rest = [], {}, iter(words[start + 1 :])
    for word in rest:
        if word in VALUED:
            options[word] = next(rest)
        elif not word.startswith("-"):
            plain.append(word)
            if word in ("optigate", *read_services()) and plain[0] != "build":
                break
    return variables, plain, options, list(rest)


@pytest.mark.parametrize("line", LINES)
def test_the_lines_name_what_there_is(line: str) -> None:
    variables, plain, options, rest = split(line)
    services = read_services()
    text = (ROOT / "compose.yaml").read_text()
    assert variables.keys() <= {found["name"] for found in VARIABLE.finditer(text)}
    if plain[0] != "compose":
        assert plain[:1] + plain[1:] in (["build", "."], ["run", "optigate"])
        assert (ROOT / options.get("-f", "Containerfile")).exists()
        if rest:
            show_help(rest)
        if check := options.get("--health-cmd"):
            show_help(shlex.split(check)[1:])
        return
    assert plain[1] in ("up", "logs", "exec", "run")
    assert set(plain[2:]) <= services.keys()
    if "--profile" in options:
        assert any(options["--profile"] in each.get("profiles", []) for each in services.values())
    if "--scale" in options:
        assert options["--scale"].partition("=")[0] in services
    if plain[1] == "exec":
        assert rest.pop(0) == "optigate"
        show_help(rest)


def test_all_profiles_and_variables_are_told() -> None:
    told = (ROOT / "docs" / "operate.md").read_text()
    profiles = {name for each in read_services().values() for name in each.get("profiles", [])}
    assert profiles == {"observability", "pgbouncer", "redis"}
    assert all(f"--profile {name}" in told for name in profiles)
    text = (ROOT / "compose.yaml").read_text()
    for found in VARIABLE.finditer(text):
        name = found["name"]
        if name:
            group = re.sub(r"_.*", "_...", name)
            assert f"`{name}`" in told or f"`{group}`" in told, name


def test_the_lines_about_certificates_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    lines = list_lines("docs/operate.md")
    (make,) = (line for line in lines if line.startswith("optigate certificates"))
    (verify,) = (line for line in lines if line.startswith("openssl verify"))
    assert CliRunner().invoke(cli, shlex.split(make)[1:]).exit_code == 0
    assert shutil.which("openssl"), "Install openssl for this test: apt-get install openssl"
    done = subprocess.run(shlex.split(verify), capture_output=True, text=True, timeout=60)
    assert done.stdout == "tls/orders/certificate.pem: OK\n"


def test_the_line_that_writes_the_environment_runs(tmp_path: Path) -> None:
    (line,) = (each for each in list_lines("docs/operate.md") if each.startswith("printf 'POSTG"))
    subprocess.run(["sh", "-c", line], cwd=tmp_path, check=True, timeout=60)
    written = (tmp_path / ".env").read_text()
    assert re.fullmatch(
        r"POSTGRES_PASSWORD=[0-9a-f]{32}\nGATEWAY_PUBLIC_URL=http://127.0.0.1:8080\n", written
    )
