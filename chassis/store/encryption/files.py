"""Private files of the data folder: written whole, and sealed where encryption is on.

A sealed file is its plain name and `.sealed`. The name is its place: under another one it does not
open.
"""

import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from chassis.store.encryption.keyring import Keyring, Unopenable, find_key_name, is_sealed

SUFFIX = ".sealed"
PARTIAL_SUFFIX = ".partial"


def write_file(path: Path, content: bytes, ring: Keyring | None) -> None:
    """Write a file as a whole, readable by its owner alone; with a ring it is sealed."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    if ring is None:
        _write(path, content)
        return
    _write(path.with_name(path.name + SUFFIX), ring.seal(content, _build_place(path.name)))
    path.unlink(missing_ok=True)


def open_file(path: Path, ring: Keyring) -> bytes:
    """Return the plain content of a file, sealed or not; raises Unopenable."""
    content = path.read_bytes()
    if not is_sealed(content):
        return content
    return ring.open(content, _build_place(path.name.removesuffix(SUFFIX)))


def scan_files(folder: Path) -> Iterator[tuple[Path, str]]:
    """Yield each file of a folder with the name of its key, "" if it is plain."""
    for path in sorted(folder.glob("*")):
        if path.suffix == PARTIAL_SUFFIX or not path.is_file():
            continue
        with suppress(FileNotFoundError), path.open("rb") as file:
            head = file.read(64)
            yield path, find_key_name(head) if is_sealed(head) else ""


def rotate_files(folder: Path, ring: Keyring) -> tuple[int, int]:
    """Seal the files that are not under the current key; returns how many, and how many cannot be.

    Services that share a folder may have rings of their own: what does not open is left as it is.
    """
    sealed = left = 0
    for path, name in scan_files(folder):
        if name == ring.current.name:
            continue
        try:
            content = open_file(path, ring)
        except Unopenable:
            left += 1
        else:
            write_file(path.with_name(path.name.removesuffix(SUFFIX)), content, ring)
            sealed += 1
    return sealed, left


def _write(path: Path, content: bytes) -> None:
    partial = path.with_suffix(PARTIAL_SUFFIX)
    partial.unlink(missing_ok=True)
    with os.fdopen(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    partial.rename(path)


def _build_place(name: str) -> bytes:
    return f"file\0{name}".encode()
