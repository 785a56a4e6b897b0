"""Sealed files: written whole, opened under their own names, and sealed anew."""

from pathlib import Path

import pytest

from chassis.store.encryption.files import open_file, rotate_files, scan_files, write_file
from chassis.store.encryption.keyring import Unopenable
from tests.serving import build_keyring


def test_it_works(tmp_path: Path) -> None:
    folder, ring = tmp_path / "messages", build_keyring("a")
    write_file(folder / "1.eml", b"To: Ada", ring)
    (path,) = folder.iterdir()
    assert (path.name, path.stat().st_mode & 0o777) == ("1.eml.sealed", 0o600)
    assert folder.stat().st_mode & 0o777 == 0o700
    assert b"Ada" not in path.read_bytes()
    assert open_file(path, ring) == b"To: Ada"


def test_without_a_ring_it_is_plain(tmp_path: Path) -> None:
    write_file(tmp_path / "1.eml", b"To: Ada", None)
    assert (tmp_path / "1.eml").read_bytes() == b"To: Ada"


def test_a_renamed_file_does_not_open(tmp_path: Path) -> None:
    ring = build_keyring("a")
    write_file(tmp_path / "1.eml", b"To: Ada", ring)
    renamed = (tmp_path / "1.eml.sealed").rename(tmp_path / "2.eml.sealed")
    with pytest.raises(Unopenable):
        open_file(renamed, ring)


def test_files_are_sealed_anew(tmp_path: Path) -> None:
    write_file(tmp_path / "1.eml", b"one", None)
    write_file(tmp_path / "2.eml", b"two", build_keyring("a"))
    (tmp_path / "3.partial").write_bytes(b"half")
    ring = build_keyring("b", "a")
    assert [name for _, name in scan_files(tmp_path)] == ["", "a"]
    assert rotate_files(tmp_path, ring) == (2, 0)
    assert rotate_files(tmp_path, ring) == (0, 0)
    assert [(path.name, name) for path, name in scan_files(tmp_path)] == [
        ("1.eml.sealed", "b"),
        ("2.eml.sealed", "b"),
    ]
    assert open_file(tmp_path / "1.eml.sealed", build_keyring("b")) == b"one"
    assert open_file(tmp_path / "2.eml.sealed", build_keyring("b")) == b"two"


def test_files_of_another_service_are_left_as_they_are(tmp_path: Path) -> None:
    write_file(tmp_path / "1.eml", b"one", build_keyring("theirs"))
    write_file(tmp_path / "2.eml", b"two", build_keyring("a"))
    (tmp_path / "2.eml.sealed").rename(tmp_path / "3.eml.sealed")  # the key is right, the place not
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    assert rotate_files(tmp_path, build_keyring("b", "a")) == (0, 2)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_a_repeated_file_takes_the_place_of_its_own(tmp_path: Path) -> None:
    ring = build_keyring("a")
    write_file(tmp_path / "1.eml", b"plain, of before", None)
    for content in (b"one", b"two"):
        write_file(tmp_path / "1.eml", content, ring)
    (path,) = tmp_path.iterdir()
    assert open_file(path, ring) == b"two"


def test_a_folder_that_is_not_there_has_no_files(tmp_path: Path) -> None:
    assert list(scan_files(tmp_path / "messages")) == []
