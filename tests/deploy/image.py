"""The image of the Containerfile without an engine: its steps, in a folder that stands for /.

A stage begins with a Python in usr/local, as its base image has one, and with nothing else of this
tree or its environment. The tools of RUN are this machine's.
"""

import os
import re
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Iterator
from dataclasses import dataclass, field
from importlib.metadata import distribution
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
OWNER = 10001
# What the image has at its root beside the system.
PLACES = re.compile(r"(?<![\w./])/(?=(?:opt/optigate|build|data|secrets|tls|wheels)\b)")
KEPT = re.compile(r"HOME|TMPDIR|PIP_\w+|SSL_CERT_\w+|\w+_proxy|\w+_PROXY")
LEFT_OUT = shutil.ignore_patterns(
    *("site-packages", "dist-packages", "test", "tests", "ensurepip", "idlelib", "tkinter"),
    *("lib2to3", "turtledemo", "config-*", "EXTERNALLY-MANAGED"),
)
STEP_SECONDS = 240


def list_steps(text: str) -> Iterator[tuple[str, str]]:
    """The instructions of a Containerfile, each with its words."""
    lines = (line for line in text.splitlines() if not line.startswith("#"))
    for line in "\n".join(lines).replace("\\\n", "").splitlines():
        if line.strip():
            name, _, rest = line.partition(" ")
            yield name, " ".join(rest.split())


@dataclass
class Image:
    """The file system of an image, its environment, and the user of its processes."""

    root: Path
    environment: dict[str, str] = field(default_factory=dict)
    folder: str = "/"
    user: int | None = None
    words: dict[str, Any] = field(default_factory=dict)  # of ENTRYPOINT, CMD and HEALTHCHECK
    stages: dict[str, Path] = field(default_factory=dict)

    def find(self, path: str) -> Path:
        """A path of the image, here."""
        return self.root / path.removeprefix("/")

    def map(self, text: str) -> str:
        """A text with the image's paths as they are here."""
        return PLACES.sub(f"{self.root}/", text)

    def run(self, words: list[str], **environment: str) -> subprocess.CompletedProcess[str]:
        """Run a program as a container does; returns what it printed."""
        return subprocess.run(
            words,
            **self.options(environment),
            capture_output=True,
            text=True,
            timeout=STEP_SECONDS,
        )

    def options(self, environment: dict[str, str]) -> dict[str, Any]:
        """What `subprocess` needs to start a process of a container."""
        kept = {name: value for name, value in os.environ.items() if KEPT.fullmatch(name)}
        is_other = self.user is not None and os.geteuid() == 0
        account: dict[str, Any] = {}
        if is_other:
            account = {"user": self.user, "group": self.user, "extra_groups": []}
            kept["HOME"] = "/"
        return {
            "cwd": self.find(self.folder),
            "env": {**kept, **self.environment, **environment},
            **account,
        }

    def take(self, name: str, words: str) -> None:
        """Take a step."""
        match name:
            case "FROM":
                self._begin_stage(words)
            case "WORKDIR":
                self.folder = words
                self.find(words).mkdir(parents=True, exist_ok=True)
            case "ENV":
                for each in words.split():
                    key, _, value = each.partition("=")
                    known = self.map(value).replace("$PATH", self.environment["PATH"])
                    self.environment[key] = known
            case "COPY":
                self._copy(words.split())
            case "RUN":
                self._run_step(words)
            case "USER":
                self.user = int(words.partition(":")[0])
            case _:
                self.words[name] = re.findall(r'"([^"]*)"', words)

    def _begin_stage(self, words: str) -> None:
        found = re.fullmatch(r"(python:3\.11-slim)(?: AS (\w+))?", words)
        assert found, words
        if self.root.exists():  # the stage before, whose paths this one has
            self.root.rename(self.stages["build"])
        self.root.mkdir(mode=0o755)
        self.environment = {
            "PATH": f"{self.root}/usr/local/bin:/usr/bin:/bin",
            "LD_LIBRARY_PATH": f"{self.root}/usr/local/lib",
        }
        self.folder = "/"
        if found[2]:
            self.stages[found[2]] = self.root.with_name(found[2])
            copy_python(self.root / "usr" / "local")
        else:
            self._take_python(self.stages["build"])

    def _take_python(self, stage: Path) -> None:
        """Begin with the Python of the stage before, without what that one has installed."""
        (stage / "usr").rename(self.root / "usr")
        (packages,) = self.root.glob("usr/local/lib/python*/site-packages")
        for path in packages.iterdir():
            if path.name != "pip":
                shutil.rmtree(path) if path.is_dir() else path.unlink()

    def _copy(self, words: list[str]) -> None:
        if words[0].startswith("--from="):
            stage = self.stages[words.pop(0).removeprefix("--from=")]
            source, target = words
            assert self.find(target) == self.find(source)  # scripts name the path of their Python
            self.find(target).parent.mkdir(exist_ok=True)
            (stage / source.removeprefix("/")).rename(self.find(target))
            return
        *sources, target = words
        for source in sources:
            for file in list_context(source):
                is_folder = source.endswith("/")
                name = file.relative_to(source) if is_folder else Path(file.name)
                copy = self.find(f"{self.folder}/{target}") / name
                copy.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(ROOT / file, copy)

    def _run_step(self, line: str) -> None:
        # pip may keep here what it downloads.
        line = self.map(line.replace(" --no-cache-dir", ""))
        if os.geteuid() != 0:
            line = line.replace(f" -o {OWNER} -g {OWNER}", "")
        done = self.run(["sh", "-c", line])
        assert done.returncode == 0, f"{line}\n{done.stdout}{done.stderr}"


def list_context(source: str) -> list[Path]:
    """The files of this tree that a COPY takes, relative to it."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "--", source]
    listed = subprocess.check_output(command, cwd=ROOT, text=True).splitlines()
    found = [Path(name) for name in listed if (ROOT / name).is_file()]
    assert found, source
    return found


def copy_python(folder: Path) -> None:
    """A Python without packages but pip, which another user may run."""
    library = Path(sysconfig.get_path("stdlib"))
    target = folder / "lib" / library.name
    shutil.copytree(library, target, ignore=LEFT_OUT, symlinks=True)
    (folder / "bin").mkdir(parents=True)
    program = folder / "bin" / library.name
    shutil.copy(Path(sys.executable).resolve(), program)
    for name in ("python", "python3"):
        (folder / "bin" / name).symlink_to(library.name)
    if sysconfig.get_config_var("Py_ENABLE_SHARED"):
        for path in Path(sysconfig.get_config_var("LIBDIR")).glob(f"lib{library.name}.so*"):
            shutil.copy(path, folder / "lib" / path.name)
    pip = Path(str(distribution("pip").locate_file("pip")))
    shutil.copytree(pip, target / "site-packages" / "pip")
    script = folder / "bin" / "pip"
    script.write_text(f'#!/bin/sh\nexec {program} -m pip "$@"\n')
    script.chmod(0o755)


def build(folder: Path) -> Image:
    """Build the image in a folder that everybody may enter."""
    image = Image(folder / "root")
    for name, words in list_steps((ROOT / "Containerfile").read_text()):
        image.take(name, words)
    return image
