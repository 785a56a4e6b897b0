"""The reference of the configuration lacks no variable and no key."""

import os
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from chassis.notices.channels import choose_channels
from chassis.settings.transport import allows_plaintext, read_client_files, read_server_files
from chassis.settings.variables import is_production
from gateway import read_environment
from openapi.configuration.keys import FILES, list_paths, shorten
from openapi.configuration.meanings import MEANINGS
from openapi.configuration.page import OPERATE
from openapi.configuration.variables import find_variables, read_meanings

# The limits of warnings, which another page describes.
DESCRIBED_ELSEWHERE = "labs.settings.limits."


class Recorder(Mapping[str, str]):
    """An environment that records what is looked up in it."""

    def __init__(self, **values: str) -> None:
        self.values_ = values
        self.asked: set[str] = set()

    def __getitem__(self, name: str) -> str:
        self.asked.add(name)
        return self.values_[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self.values_)

    def __len__(self) -> int:
        return len(self.values_)


def test_what_operate_says_is_what_the_code_reads() -> None:
    said = set(read_meanings(OPERATE.read_text()))
    read = set(find_variables())
    # A file in place of a secret is described once, for all of them.
    assert {name for name in read - said if not name.endswith("_FILE")} == set()
    assert said - read == set()
    assert len(read) > 50


def test_what_the_processes_look_up_is_found(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    environment = Recorder(
        SMTP_HOST="mail.example", MAIL_FROM="shop@example.com", SMS_URL="https://sms.example/"
    )
    choose_channels(environment, tmp_path)
    for read in (read_server_files, read_client_files, allows_plaintext, is_production):
        read(environment)
    monkeypatch.setattr(os, "environ", environment)
    read_environment()
    monkeypatch.undo()
    assert len(environment.asked) > 20
    assert environment.asked - set(find_variables()) == set()


@pytest.mark.parametrize("service", FILES)
def test_every_key_says_what_it_is(service: str) -> None:
    paths = [each for each in list_paths(service) if not each.startswith(DESCRIBED_ELSEWHERE)]
    assert [each for each in paths if shorten(each) not in MEANINGS] == []


def test_no_meaning_is_left_over() -> None:
    paths = {shorten(each) for service in FILES for each in list_paths(service)}
    assert set(MEANINGS) - paths == set()
