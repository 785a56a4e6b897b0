"""The ring of keys: what its file may hold, and what an envelope keeps."""

import base64
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chassis.store.encryption.keyring import (
    BYTES_MARK,
    Unopenable,
    find_key_name,
    is_sealed,
    read_keyring,
)
from tests.serving import build_keyring, write_keys

PLACE = b"patients\0name\x001"
SECRET = base64.b64encode(bytes(32)).decode()


def write(path: Path, content: str, mode: int = 0o600) -> Path:
    path.write_text(content)
    path.chmod(mode)
    return path


def test_it_works(tmp_path: Path) -> None:
    ring = read_keyring(write_keys(tmp_path / "ring", "new", "old"))
    sealed = ring.seal_text(b"Ada", PLACE)
    assert (list(ring.keys), ring.current.name, find_key_name(sealed)) == (
        ["new", "old"],
        "new",
        "new",
    )
    assert "Ada" not in sealed
    assert ring.open_text(sealed, PLACE) == b"Ada"
    assert is_sealed(sealed)
    assert not is_sealed("Ada")


def test_a_blank_line_and_a_comment_are_passed_over(tmp_path: Path) -> None:
    path = write(tmp_path / "ring", f"# the ring\n\n  2026-11   {SECRET}\r\n")
    assert list(read_keyring(path).keys) == ["2026-11"]


@pytest.mark.parametrize(
    ("content", "text"),
    [
        ("", "{path} has no key; write a line of a name and a key into it"),
        ("# none\n", "{path} has no key; write a line of a name and a key into it"),
        ("k\n", "{path}, line 1: a key is the base64 of 32 bytes"),
        ("k 12345\n", "{path}, line 1: a key is the base64 of 32 bytes"),
        (f"k {SECRET[:20]}\n", "{path}, line 1: a key is the base64 of 32 bytes"),
        (f"k {SECRET} {SECRET}\n", "{path}, line 1: a key is the base64 of 32 bytes"),
        (f"k {SECRET}\nk {SECRET}\n", "{path}, line 2: a second key has the name k"),
        (f"kö {SECRET}\n", "{path}, line 1: a name is 1-32 characters of A-Z a-z 0-9 _ -"),
        (f"{'k' * 33} {SECRET}", "{path}, line 1: a name is 1-32 characters of A-Z a-z 0-9 _ -"),
    ],
)
def test_a_file_with_a_fault_is_refused(tmp_path: Path, content: str, text: str) -> None:
    path = write(tmp_path / "ring", content)
    with pytest.raises(ValueError, match="ring") as refused:
        read_keyring(path)
    assert str(refused.value) == text.format(path=path)


@pytest.mark.parametrize("mode", [0o644, 0o640, 0o602, 0o610])
def test_a_file_that_others_may_use_is_refused(tmp_path: Path, mode: int) -> None:
    path = write(tmp_path / "ring", f"k {SECRET}\n", mode)
    with pytest.raises(ValueError, match=f"chmod 600 {path}"):
        read_keyring(path)


@given(st.binary(max_size=1000))
def test_an_envelope_opens_in_its_own_place_alone(content: bytes) -> None:
    ring = build_keyring("k")
    sealed, packed = ring.seal_text(content, PLACE), ring.seal(content, PLACE)
    assert (ring.open_text(sealed, PLACE), ring.open(packed, PLACE)) == (content, content)
    for place in (b"", b"patients\0name\x002", b"patients\0city\x001", b"users\0name\x001"):
        with pytest.raises(Unopenable):
            ring.open_text(sealed, place)
        with pytest.raises(Unopenable):
            ring.open(packed, place)


def test_an_envelope_is_never_the_same_twice() -> None:
    ring = build_keyring("k")
    assert ring.seal_text(b"Ada", PLACE) != ring.seal_text(b"Ada", PLACE)


@given(st.data())
def test_a_damaged_envelope_does_not_open(data: st.DataObject) -> None:
    ring = build_keyring("k")
    sealed = bytearray(ring.seal(b"Ada Example", PLACE))
    at = data.draw(st.integers(0, len(sealed) - 1))
    sealed[at] ^= data.draw(st.integers(1, 255))
    if at < len(BYTES_MARK):  # then it is no envelope
        assert not is_sealed(bytes(sealed))
        return
    with pytest.raises(Unopenable):
        ring.open(bytes(sealed), PLACE)


@pytest.mark.parametrize("text", ["\x02", "\x02k", "\x02k\x02", "\x02k\x02!!", "\x02k\x02QUJD"])
def test_a_text_that_only_begins_like_an_envelope_does_not_open(text: str) -> None:
    with pytest.raises(Unopenable):
        build_keyring("k").open_text(text, PLACE)


def test_a_ring_without_the_key_does_not_open() -> None:
    sealed = build_keyring("old").seal_text(b"Ada", PLACE)
    assert build_keyring("new", "old").open_text(sealed, PLACE) == b"Ada"
    with pytest.raises(Unopenable):
        build_keyring("new").open_text(sealed, PLACE)


def test_words_hash_alike_for_one_tenant_under_one_key_only() -> None:
    ring = build_keyring("new", "old")
    ada = ring.hash_word("1", "ada")
    assert ada == ring.hash_word("1", "ada")
    assert ring.hash_word_by_all("1", "ada") == [ada, build_keyring("old").hash_word("1", "ada")]
    others = {
        ring.hash_word("2", "ada"),
        ring.hash_word("1", "adb"),
        *ring.hash_word_by_all("1", "ada")[1:],
    }
    assert ada not in others
    assert len(others) == 3
