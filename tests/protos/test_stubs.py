"""The generated code that is committed is what the proto files say."""

import os
import sys
from pathlib import Path

import pytest

from protos.__main__ import HERE, IMAGE, generate


def test_the_committed_stubs_are_fresh(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # protoc looks for the plugin that writes the types on PATH.
    plugins = str(Path(sys.executable).parent)
    monkeypatch.setenv("PATH", f"{plugins}{os.pathsep}{os.environ['PATH']}")

    generate(tmp_path)

    committed = {path.name: path.read_bytes() for path in (*HERE.glob("*_pb2*.py*"), HERE / IMAGE)}
    generated = {path.name: path.read_bytes() for path in (tmp_path / "protos").iterdir()}
    assert generated == committed
