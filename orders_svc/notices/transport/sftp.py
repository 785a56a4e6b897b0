"""A drop on an SFTP server whose host keys are pinned.

asyncssh is asynchronous, which is what ends each of its steps at the deadline; a drop runs it on a
loop of its own in the thread that uses it. Neither the user's files in ~/.ssh nor an agent matter.
"""

import asyncio
import socket
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from time import monotonic
from typing import Any, TypeVar

import asyncssh

from chassis.events.addresses import AttemptFailed, resolve
from chassis.events.courier import connect
from orders_svc.notices.transport.files import MAX_LISTED_FILES, FoundFile
from orders_svc.rules.transport.drops import HOST_KEY_TYPES

T = TypeVar("T")
MAX_SECRET_BYTES = 64 * 1024
CLOSE_SECONDS = 0.5
RSA = {"ssh-rsa": ("rsa-sha2-512", "rsa-sha2-256")}  # algorithms of this type of key
REASONS: tuple[tuple[type[Exception], str], ...] = (
    (asyncssh.HostKeyNotVerifiable, "host_key"),
    (asyncssh.KeyExchangeFailed, "handshake"),
    (asyncssh.PermissionDenied, "login"),
    (asyncssh.SFTPNoSuchFile, "missing"),
    (asyncssh.SFTPNoSuchPath, "missing"),
    (asyncssh.SFTPNotADirectory, "missing"),
    (asyncssh.SFTPPermissionDenied, "denied"),
    (asyncssh.SFTPWriteProtect, "denied"),
    (asyncssh.SFTPNoSpaceOnFilesystem, "full"),
    (asyncssh.SFTPQuotaExceeded, "full"),
    (asyncssh.SFTPFileAlreadyExists, "conflict"),
    (asyncssh.SFTPConnectionLost, "reset"),
    (asyncssh.SFTPNoConnection, "reset"),
    (asyncssh.ConnectionLost, "reset"),
    (TimeoutError, "timeout"),
    (ConnectionRefusedError, "refused"),
    (ConnectionError, "reset"),
    (asyncssh.Error, "server"),
    (OSError, "unreachable"),
)


@contextmanager
def translate_errors() -> Iterator[None]:
    """Turn errors of the connection and of the server into AttemptFailed with their reason."""
    try:
        yield
    except tuple(kind for kind, _ in REASONS) as error:
        reason = next(reason for kind, reason in REASONS if isinstance(error, kind))
        raise AttemptFailed(reason) from None


@contextmanager
def open_sftp(server: Mapping[str, Any], deadline: float, *, private: bool) -> Iterator["Sftp"]:
    """Log in to a server; everything ends at the deadline, a moment of `monotonic`."""
    secrets = _read_secrets(server)
    loop = asyncio.new_event_loop()
    # Steps that a broken connection leaves behind: why it broke is told already.
    loop.set_exception_handler(lambda _loop, _context: None)
    drop = Sftp(loop, deadline)
    try:
        drop.log_in(server, secrets, private=private)
        yield drop
    finally:
        drop.close()
        loop.close()


class Sftp:
    """A drop on a server, as asyncssh has it, one step at a time."""

    def __init__(self, loop: asyncio.AbstractEventLoop, deadline: float) -> None:
        self.deadline = deadline
        self._loop = loop
        self._connection: asyncssh.SSHClientConnection | None = None
        self._client: asyncssh.SFTPClient
        self._sock: socket.socket | None = None

    def log_in(
        self, server: Mapping[str, Any], secrets: Mapping[str, Any], *, private: bool
    ) -> None:
        """Connect to a checked address, verify the host key, log in and begin SFTP."""
        with translate_errors():
            addresses = resolve(server["host"], server["port"], private=private)
            self._sock = connect(addresses, self.deadline)
            self._sock.setblocking(False)
            keys = [asyncssh.import_public_key(each) for each in server["host_keys"]]
            self._connection = self._wait(
                asyncssh.connect(
                    server["host"],
                    server["port"],
                    sock=self._sock,
                    config=None,
                    known_hosts=(keys, [], []),
                    server_host_key_algs=list_algorithms(server["host_keys"]),
                    x509_trusted_certs=None,
                    username=server["user"],
                    agent_path=None,
                    gss_host=None,
                    **secrets,
                )
            )
            self._client = self._wait(self._connection.start_sftp_client())

    def close(self) -> None:
        """Close the connection, without waiting for a server that hangs."""
        if self._connection is not None:
            self._connection.abort()
            with suppress(Exception):
                closing = asyncio.wait_for(self._connection.wait_closed(), CLOSE_SECONDS)
                self._loop.run_until_complete(closing)
        for task in (tasks := asyncio.all_tasks(self._loop)):
            task.cancel()
        ended = asyncio.gather(*tasks, return_exceptions=True) if tasks else None
        if ended is not None:
            with suppress(Exception):
                self._loop.run_until_complete(asyncio.wait_for(ended, CLOSE_SECONDS))
        if self._sock is not None:
            self._sock.close()

    def list_files(self, folder: str, is_wanted: Callable[[str], bool]) -> list[FoundFile]:
        """Return the regular files of a folder with wanted names."""
        with translate_errors():
            return self._wait(self._list_files(folder, is_wanted))

    async def _list_files(self, folder: str, is_wanted: Callable[[str], bool]) -> list[FoundFile]:
        found: list[FoundFile] = []
        async for entry in self._client.scandir(folder):
            about, name = entry.attrs, entry.filename
            text = name if isinstance(name, str) else name.decode("utf-8", "replace")
            if about.type == asyncssh.FILEXFER_TYPE_REGULAR and is_wanted(text):
                found.append(FoundFile(text, int(about.size or 0), int(about.mtime or 0)))
            if len(found) >= MAX_LISTED_FILES:
                break
        return found

    def read(self, path: str, limit: int) -> bytes | None:
        """Return the beginning of a file; None if there is none."""
        with translate_errors():
            try:
                return self._wait(self._read(path, limit))
            except asyncssh.SFTPNoSuchFile:
                return None

    async def _read(self, path: str, limit: int) -> bytes:
        async with self._client.open(path, "rb") as file:
            content: bytes = await file.read(limit)
            return content[:limit]

    def write(self, path: str, content: bytes) -> None:
        """Write a file."""
        with translate_errors():
            self._wait(self._write(path, content))

    async def _write(self, path: str, content: bytes) -> None:
        async with self._client.open(path, "wb") as file:
            await file.write(content)

    def rename(self, path: str, new_path: str) -> None:
        """Rename a file; some servers overwrite, others refuse, so it is looked at first."""
        with translate_errors():
            if self._wait(self._client.lexists(new_path)):
                raise AttemptFailed("conflict")
            self._wait(self._client.rename(path, new_path))

    def remove(self, path: str) -> None:
        """Remove a file."""
        with translate_errors(), suppress(asyncssh.SFTPNoSuchFile):
            self._wait(self._client.remove(path))

    def make_folder(self, path: str) -> None:
        """Create a folder; those above it have to be there."""
        with translate_errors():
            if not self._wait(self._client.isdir(path)):
                self._wait(self._client.mkdir(path))

    def _wait(self, step: Awaitable[T]) -> T:
        """Return what a step returns; raises TimeoutError at the deadline."""

        async def bound() -> T:
            async with asyncio.timeout(max(self.deadline - monotonic(), 0.001)):
                return await step

        return self._loop.run_until_complete(bound())


def list_algorithms(host_keys: Sequence[str]) -> list[str]:
    """Return the algorithms that the server may prove its key by: those of pinned keys first.

    The others are there to be refused for their key, and not for their algorithm.
    """
    pinned = [each.partition(" ")[0] for each in host_keys]
    kinds = dict.fromkeys((*pinned, *HOST_KEY_TYPES))
    return [name for kind in kinds for name in RSA.get(kind, (kind,))]


def _read_secrets(server: Mapping[str, Any]) -> dict[str, Any]:
    """Return what logs in: a private key or a password, read from its file at each attempt."""
    try:
        if server["key_file"]:
            key = asyncssh.import_private_key(_read_secret(server["key_file"]))
            return {"client_keys": [key], "password": None}
        password = _read_secret(server["password_file"]).decode().rstrip("\r\n")
        return {"client_keys": None, "password": password}
    except (OSError, ValueError, asyncssh.KeyImportError):
        raise AttemptFailed("secret") from None


def _read_secret(path: str) -> bytes:
    with Path(path).open("rb") as file:
        return file.read(MAX_SECRET_BYTES)
