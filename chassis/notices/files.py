"""Messages as files in a folder, where no mail server or SMS gateway is configured."""

import os
from dataclasses import dataclass
from pathlib import Path

from chassis.notices.messages import EMAIL, Message

SENDER = "optigate@localhost"


@dataclass(frozen=True)
class Files:
    """A folder with one file per message: `.eml` that mail programs open, `.txt` for SMS."""

    folder: Path

    def send(self, message: Message) -> None:
        """Write the file; a repeated message overwrites its own."""
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        name = f"{message.created_at:%Y%m%dT%H%M%S}-{message.id}"
        if message.channel == EMAIL:
            from chassis.notices.mail import build_mail

            path = self.folder / f"{name}.eml"
            content = bytes(build_mail(message, SENDER))
        else:
            path = self.folder / f"{name}.txt"
            content = f"To: {message.to}\n\n{message.text}\n".encode()
        partial = path.with_suffix(".partial")
        partial.unlink(missing_ok=True)
        with os.fdopen(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        partial.rename(path)
