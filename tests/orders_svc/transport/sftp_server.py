"""A lab's SFTP server: a real one on loopback, with keys of its own."""

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import asyncssh

USER, PASSWORD = "optigate", "s3cret-of-the-drop"


@dataclass
class SftpLab:
    """A server that is running: its folder, how it is reached, and what happened at it."""

    root: Path
    port: int
    host_key: str
    key_file: Path
    password_file: Path
    logins: list[str] = field(default_factory=list)
    connections: list[asyncssh.SSHServerConnection] = field(default_factory=list)
    renames: list[str] = field(default_factory=list)
    hangs: threading.Event = field(default_factory=threading.Event)  # while set, writes hang
    fails: list[Exception] = field(default_factory=list)  # what writes raise

    def describe(self, **changes: Any) -> dict[str, Any]:
        """The server as a drop names it."""
        return {
            "host": "127.0.0.1",
            "port": self.port,
            "user": USER,
            "host_keys": [self.host_key],
            "key_file": str(self.key_file),
            **changes,
        }


class _Login(asyncssh.SSHServer):
    def __init__(self, lab: SftpLab) -> None:
        self.lab = lab

    def connection_made(self, conn: asyncssh.SSHServerConnection) -> None:
        self.lab.connections.append(conn)

    def begin_auth(self, username: str) -> bool:
        self.lab.logins.append(username)
        return True

    def password_auth_supported(self) -> bool:
        return True

    def validate_password(self, username: str, password: str) -> bool:
        return (username, password) == (USER, PASSWORD)


class _Files(asyncssh.SFTPServer):
    def __init__(self, channel: Any, lab: SftpLab) -> None:
        super().__init__(channel, chroot=str(lab.root).encode())
        self.lab = lab

    async def write(self, file_obj: object, offset: int, data: bytes) -> int:
        while self.lab.hangs.is_set():
            await asyncio.sleep(0.02)
        if self.lab.fails:
            raise self.lab.fails[0]
        return super().write(file_obj, offset, data)  # type: ignore[return-value]

    def rename(self, oldpath: bytes, newpath: bytes) -> None:
        self.lab.renames.append(newpath.decode())
        super().rename(oldpath, newpath)


@contextmanager
def run_sftp(folder: Path) -> Iterator[SftpLab]:
    """Run a server whose files are in `folder`/files."""
    root, secrets = folder / "files", folder / "secrets"
    for each in (root / "out", root / "in", secrets):
        each.mkdir(parents=True)
    host, user = (asyncssh.generate_private_key("ssh-ed25519") for _ in range(2))
    key_file, password_file = secrets / "key", secrets / "password"
    key_file.write_bytes(user.export_private_key())
    password_file.write_text(PASSWORD + "\n")
    (secrets / "authorized").write_bytes(user.export_public_key())
    public = host.export_public_key().decode().strip()
    lab = SftpLab(root, 0, public, key_file, password_file)
    loop = asyncio.new_event_loop()
    started: threading.Event = threading.Event()

    async def serve() -> asyncssh.SSHAcceptor:
        return await asyncssh.listen(
            "127.0.0.1",
            0,
            config=None,
            server_host_keys=[host],
            authorized_client_keys=str(secrets / "authorized"),
            server_factory=lambda: _Login(lab),
            sftp_factory=lambda channel: _Files(channel, lab),
        )

    def run() -> None:
        asyncio.set_event_loop(loop)
        acceptor = loop.run_until_complete(serve())
        lab.port = acceptor.get_port()
        started.set()
        loop.run_forever()
        acceptor.close()
        for each in lab.connections:
            each.abort()
            loop.run_until_complete(each.wait_closed())
        if tasks := asyncio.all_tasks(loop):  # they close their files
            loop.run_until_complete(asyncio.wait(tasks, timeout=5))
        for task in (tasks := asyncio.all_tasks(loop)):
            task.cancel()
        loop.run_until_complete(asyncio.gather(*tasks, return_exceptions=True))
        loop.close()

    thread = threading.Thread(target=run, name="sftp server", daemon=True)
    thread.start()
    assert started.wait(20)
    try:
        yield lab
    finally:
        lab.hangs.clear()
        loop.call_soon_threadsafe(loop.stop)
        thread.join(20)
