"""Secrets in files, the kind of environment, and the public URL."""

import os
from pathlib import Path

import pytest

from chassis.settings.variables import check_public_url, is_production, read_secret


def test_a_secret_is_a_variable_or_a_file(tmp_path: Path) -> None:
    file = tmp_path / "password"
    file.write_bytes("p ä=ss\nword \r\n".encode())
    assert read_secret({}, "SMTP_PASSWORD") == ""
    assert read_secret({"SMTP_PASSWORD": " x "}, "SMTP_PASSWORD") == " x "
    assert read_secret({"SMTP_PASSWORD_FILE": str(file)}, "SMTP_PASSWORD") == "p ä=ss\nword "
    empty = {"SMTP_PASSWORD": "", "SMTP_PASSWORD_FILE": ""}
    assert read_secret(empty, "SMTP_PASSWORD") == ""


def test_both_at_once_are_refused(tmp_path: Path) -> None:
    both = {"DATABASE_URL": "x", "DATABASE_URL_FILE": str(tmp_path / "y")}
    with pytest.raises(ValueError, match="DATABASE_URL and DATABASE_URL_FILE are both set"):
        read_secret(both, "DATABASE_URL")


@pytest.mark.parametrize("content", [b"", b"\n", b"a\0b", b"\xff", b"x" * 70_000])
def test_a_file_without_one_secret_is_refused(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "secret"
    file.write_bytes(content)
    with pytest.raises(ValueError, match="SMS_URL_FILE: ") as raised:
        read_secret({"SMS_URL_FILE": str(file)}, "SMS_URL")
    assert str(file) in str(raised.value)


@pytest.mark.parametrize("name", ["missing", ".", "no\0name"])
def test_a_file_that_cannot_be_read_is_named(tmp_path: Path, name: str) -> None:
    with pytest.raises(ValueError, match="SMS_URL_FILE: "):
        read_secret({"SMS_URL_FILE": os.path.join(tmp_path, name)}, "SMS_URL")  # noqa: PTH118


def test_only_production_is_production() -> None:
    assert is_production({"ENVIRONMENT": "production"})
    assert is_production({"ENVIRONMENT": "PRODUCTION"})
    for name in ("", "development", "test", "staging"):
        assert not is_production({"ENVIRONMENT": name})
    for name in ("prod", "produktion", " production"):
        with pytest.raises(ValueError, match="ENVIRONMENT must be one of: development, test, "):
            is_production({"ENVIRONMENT": name})


def test_links_begin_with_a_url() -> None:
    assert check_public_url("https://optics.example/") == "https://optics.example"
    assert check_public_url("http://[::1]:8080/base/") == "http://[::1]:8080/base"
    for url in ("optics.example", "ftp://x", "https://", "http://[::1", "https://x:y", "//x", ""):
        with pytest.raises(ValueError, match="must be an http or https URL"):
            check_public_url(url)
    for url in ("https://x/?a=b", "https://x/#a"):
        with pytest.raises(ValueError, match="must be an http or https URL"):
            check_public_url(url)
