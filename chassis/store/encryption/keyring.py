"""A ring of named AES-256-GCM keys; the first one is current, the others only open.

The file has a line for each key: its name, a blank, and the base64 of 32 random bytes. What is
sealed names its key and its nonce. Its place (table, column and row) is associated data, so that
an envelope which was moved to another place does not open.
"""

import base64
import binascii
import hashlib
import hmac
import os
import re
from collections.abc import Iterable
from pathlib import Path

KEY_BYTES = 32
NONCE_BYTES = 12  # random: a key is good for 2**32 envelopes
MARK = "\x02"  # starts an envelope in text: no text of a client may contain it
BYTES_MARK = b"\x02sealed\x02"  # starts one in bytes, where a plain value may be any, as a hash is
MAX_NAME_LENGTH = 32
WORD_HASH_BYTES = 16
PRIVATE_MODE = 0o077  # the bits that nobody else may have

_NAME = re.compile(rf"[A-Za-z0-9_-]{{1,{MAX_NAME_LENGTH}}}")


class Unopenable(Exception):
    """An envelope is damaged, or was moved, or the ring lacks its key; its text is the place."""


class Key:
    """One key of a ring: a cipher and a hash, each with a secret derived from the key."""

    def __init__(self, name: str, secret: bytes) -> None:
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM

        self.name = name
        self.head = f"{MARK}{name}{MARK}"
        self.bytes_head = BYTES_MARK + name.encode() + MARK.encode()
        self.cipher = AESGCM(_derive(secret, "values"))
        self.word_secret = _derive(secret, "words")
        self.proof = _derive(secret, "proof")[:16].hex()  # tells keys of one name apart

    def hash_word(self, scope: str, word: str) -> str:
        """Return the keyed hash of a word; `scope` keeps the words of two tenants apart."""
        digest = hmac.digest(self.word_secret, f"{scope}\0{word}".encode(), hashlib.sha256)
        return MARK + base64.urlsafe_b64encode(digest[:WORD_HASH_BYTES]).decode().rstrip("=")


class Keyring:
    """The keys of one process."""

    def __init__(self, keys: Iterable[Key]) -> None:
        self.keys = {key.name: key for key in keys}
        self.current = next(iter(self.keys.values()))

    def seal(self, content: bytes, place: bytes) -> bytes:
        """Return the envelope of a content in its place, under the current key."""
        nonce = os.urandom(NONCE_BYTES)
        return self.current.bytes_head + nonce + self.current.cipher.encrypt(nonce, content, place)

    def seal_text(self, content: bytes, place: bytes) -> str:
        """Return the envelope as text."""
        nonce = os.urandom(NONCE_BYTES)
        packed = base64.b64encode(nonce + self.current.cipher.encrypt(nonce, content, place))
        return self.current.head + packed.decode()

    def open(self, envelope: bytes, place: bytes) -> bytes:
        """Return the content of an envelope; raises Unopenable."""
        name, _, packed = envelope.removeprefix(BYTES_MARK).partition(MARK.encode())
        return self._open(name.decode("ascii", "replace"), packed, place)

    def open_text(self, envelope: str, place: bytes) -> bytes:
        """Return the content of an envelope in text; raises Unopenable."""
        name, _, packed = envelope[1:].partition(MARK)
        try:
            return self._open(name, base64.b64decode(packed, validate=True), place)
        except binascii.Error:
            raise _build_unopenable(place) from None

    def hash_word(self, scope: str, word: str) -> str:
        """Return the hash under which a word is indexed."""
        return self.current.hash_word(scope, word)

    def hash_word_by_all(self, scope: str, word: str) -> list[str]:
        """Return the hashes under which a word may be indexed, one for each key."""
        return [key.hash_word(scope, word) for key in self.keys.values()]

    def _open(self, name: str, packed: bytes, place: bytes) -> bytes:
        from cryptography.exceptions import InvalidTag

        key = self.keys.get(name)
        if key is None:
            raise _build_unopenable(place)
        try:
            return key.cipher.decrypt(packed[:NONCE_BYTES], packed[NONCE_BYTES:], place)
        except (InvalidTag, ValueError):
            raise _build_unopenable(place) from None


def _build_unopenable(place: bytes) -> Unopenable:
    return Unopenable(place.decode().replace("\0", " "))


def is_sealed(value: object) -> bool:
    """Whether a value of a column, or the content of a file, is an envelope."""
    if isinstance(value, str):
        return value.startswith(MARK)
    return isinstance(value, bytes) and value.startswith(BYTES_MARK)


def find_key_name(envelope: str | bytes) -> str:
    """Return the name of the key of an envelope."""
    if isinstance(envelope, bytes):
        head = envelope.removeprefix(BYTES_MARK)[: MAX_NAME_LENGTH + 1].decode("ascii", "replace")
    else:
        head = envelope.removeprefix(MARK)[: MAX_NAME_LENGTH + 1]
    return head.partition(MARK)[0]


def read_keyring(path: Path) -> Keyring:
    """Return the ring in a file; raises ValueError or OSError with words for the operator."""
    if path.stat().st_mode & PRIVATE_MODE:
        raise ValueError(f"{path} may be readable by its owner alone: chmod 600 {path}")
    secrets: dict[str, bytes] = {}
    for number, line in enumerate(path.read_text("utf-8").splitlines(), 1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        name, _, packed = line.strip().partition(" ")
        if not _NAME.fullmatch(name):
            raise ValueError(f"{path}, line {number}: a name is 1-32 characters of A-Z a-z 0-9 _ -")
        if name in secrets:
            raise ValueError(f"{path}, line {number}: a second key has the name {name}")
        secrets[name] = _read_secret(packed.strip())
        if len(secrets[name]) != KEY_BYTES:
            raise ValueError(f"{path}, line {number}: a key is the base64 of {KEY_BYTES} bytes")
    if not secrets:
        raise ValueError(f"{path} has no key; write a line of a name and a key into it")
    return Keyring(Key(name, secret) for name, secret in secrets.items())


def _read_secret(packed: str) -> bytes:
    try:
        return base64.b64decode(packed, validate=True)
    except (binascii.Error, ValueError):
        return b""


def _derive(secret: bytes, purpose: str) -> bytes:
    return hmac.digest(secret, f"optigate {purpose}".encode(), hashlib.sha256)
