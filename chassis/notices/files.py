"""Messages as files in a folder, where no mail server or SMS gateway is configured."""

from dataclasses import dataclass
from pathlib import Path

from chassis.notices.messages import EMAIL, Message
from chassis.store.encryption.files import write_file
from chassis.store.encryption.keyring import Keyring

SENDER = "optigate@localhost"


@dataclass(frozen=True)
class Files:
    """A folder with one file per message: `.eml` that mail programs open, `.txt` for SMS.

    With a keyring they are encrypted, and `keys open` prints one.
    """

    folder: Path
    keyring: Keyring | None = None

    def send(self, message: Message) -> None:
        """Write the file; a repeated message overwrites its own."""
        name = f"{message.created_at:%Y%m%dT%H%M%S}-{message.id}"
        if message.channel == EMAIL:
            from chassis.notices.mail import build_mail

            path = self.folder / f"{name}.eml"
            content = bytes(build_mail(message, SENDER))
        else:
            path = self.folder / f"{name}.txt"
            content = f"To: {message.to}\n\n{message.text}\n".encode()
        write_file(path, content, self.keyring)
