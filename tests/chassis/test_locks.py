"""The data folder is closed to all but its owner."""

import os
from pathlib import Path

import pytest

from chassis.locks import close_folder, create_file

OPEN = "others may enter the data folder; close it with chmod 700"


def get_mode(path: Path) -> int:
    return path.stat().st_mode & 0o7777


def test_a_new_folder_is_its_owners_alone(tmp_path: Path) -> None:
    create_file(tmp_path / "data" / "orders.db")
    assert get_mode(tmp_path / "data") == 0o700
    assert get_mode(tmp_path / "data" / "orders.db") == 0o600
    assert close_folder(tmp_path / "data") == ""


@pytest.mark.parametrize("mode", [0o755, 0o750, 0o777, 0o701])
def test_an_open_folder_is_closed(tmp_path: Path, mode: int) -> None:
    tmp_path.chmod(mode)
    assert close_folder(tmp_path) == "closed the data folder, which others could enter"
    assert get_mode(tmp_path) == 0o700
    assert close_folder(tmp_path) == ""


def test_a_shared_folder_stays_as_it_is(tmp_path: Path) -> None:
    tmp_path.chmod(0o1777)
    assert close_folder(tmp_path) == OPEN
    assert get_mode(tmp_path) == 0o1777


def test_the_folder_that_a_process_stands_in_stays_as_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "work").mkdir()
    tmp_path.chmod(0o755)
    monkeypatch.chdir(tmp_path / "work")
    assert close_folder(tmp_path) == OPEN
    assert get_mode(tmp_path) == 0o755


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may change an owner")
def test_a_folder_of_another_account_stays_as_it_is(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    os.chown(tmp_path, 65534, 65534)
    assert close_folder(tmp_path) == OPEN
    assert get_mode(tmp_path) == 0o755


def test_no_folder_is_no_warning(tmp_path: Path) -> None:
    assert close_folder(tmp_path / "none") == ""
