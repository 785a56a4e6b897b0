"""Where messages to shoppers go: a mail server, an SMS gateway, or files in a folder.

An end is anything with `send(message)`. It raises Undeliverable when another attempt is of no
use, and whatever else happened to it when one is.
"""

import os
import smtplib
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from email.errors import MessageError
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime
from pathlib import Path
from typing import NamedTuple, Protocol
from urllib.parse import urlsplit

import msgspec
import urllib3

EMAIL, SMS = "email", "sms"
WAIT = 10.0  # seconds, for each answer of a server
SECURITIES = ("starttls", "tls", "none")
PORTS = {"starttls": 587, "tls": 465, "none": 25}
LASTING = (400, 413, 422)  # what an SMS gateway says of the message itself


class Message(NamedTuple):
    """One message to one shopper; the subject is an e-mail's."""

    id: str
    channel: str
    to: str
    subject: str
    text: str
    language: str
    shop: str
    created_at: datetime


class Undeliverable(Exception):
    """This message cannot be sent, now or later."""


class End(Protocol):
    """What takes messages away."""

    def send(self, message: Message) -> None:
        """Hand over a message; it is sent when this returns."""


@dataclass(frozen=True)
class Files:
    """A folder with one file per message: `.eml` that mail programs open, `.txt` for SMS."""

    folder: Path

    def send(self, message: Message) -> None:
        """Write the file; a repeated message writes the same one."""
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        name = f"{message.created_at:%Y%m%dT%H%M%S}-{message.id}"
        if message.channel == EMAIL:
            path = self.folder / f"{name}.eml"
            content = bytes(mail(message, "optigate@localhost"))
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


@dataclass(frozen=True)
class MailServer:
    """An SMTP server."""

    host: str
    sender: str
    port: int = PORTS["starttls"]
    security: str = "starttls"
    username: str = ""
    password: str = field(default="", repr=False)

    def send(self, message: Message) -> None:
        """Hand the message to the server."""
        try:
            content = mail(message, self.sender)
        except ValueError as error:
            raise Undeliverable(type(error).__name__) from None
        try:
            with self._connected() as server:
                server.send_message(content)
        except smtplib.SMTPRecipientsRefused as error:
            raise _lasting(error, min(code for code, _ in error.recipients.values())) from None
        except smtplib.SMTPResponseException as error:
            raise _lasting(error, error.smtp_code) from None

    def _connected(self) -> smtplib.SMTP:
        if self.security == "tls":
            context = ssl.create_default_context()
            server: smtplib.SMTP = smtplib.SMTP_SSL(
                self.host, self.port, timeout=WAIT, context=context
            )
        else:
            server = smtplib.SMTP(self.host, self.port, timeout=WAIT)
        try:
            if self.security == "starttls":
                server.starttls(context=ssl.create_default_context())
            if self.username:
                server.login(self.username, self.password)
        except BaseException:
            server.close()
            raise
        return server


def _lasting(error: Exception, code: int) -> Exception:
    """Undeliverable for the answers that an SMTP server means to stay with: 5xx."""
    # A wrong password is the operator's mistake and not the message's: it may be mended.
    wrong_password = isinstance(error, smtplib.SMTPAuthenticationError)
    return Undeliverable(str(code)) if code >= 500 and not wrong_password else error


def mail(message: Message, sender: str) -> EmailMessage:
    """The message as an e-mail from the shop, by way of the operator's address."""
    made = EmailMessage(policy=SMTP)
    made["Subject"] = message.subject
    made["From"] = _address(sender, message.shop)
    made["To"] = _address(message.to)
    made["Date"] = format_datetime(message.created_at)
    # The same on every attempt: who gets it twice can tell.
    made["Message-ID"] = f"<{message.id}@{sender.rpartition('@')[2]}>"
    made["Auto-Submitted"] = "auto-generated"
    made.set_content(message.text, cte="quoted-printable")
    made["Content-Language"] = message.language
    return made


def _address(text: str, name: str = "") -> Address:
    """A mailbox, its domain in ASCII; raises ValueError for what is none."""
    local, _, domain = text.rpartition("@")
    try:
        return Address(name, addr_spec=f"{local}@{domain.encode('idna').decode()}")
    except (MessageError, IndexError):  # the parser meets the end of the text unprepared
        raise ValueError("not an e-mail address") from None


@dataclass(frozen=True)
class SmsGateway:
    """An HTTP endpoint of the operator's choice that takes {"to", "text"} as JSON."""

    url: str
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)

    def send(self, message: Message) -> None:
        """POST the message; 2xx takes it, a redirect is not followed."""
        with urllib3.PoolManager() as pool:
            answer = pool.request(
                "POST",
                self.url,
                body=msgspec.json.encode({"to": message.to, "text": message.text}),
                headers={
                    "Content-Type": "application/json",
                    "User-Agent": "Optigate",
                    "Idempotency-Key": message.id,
                    **self.headers,
                },
                timeout=urllib3.Timeout(total=WAIT),
                retries=False,
                redirect=False,
                preload_content=False,
            )
            answer.close()
        if answer.status in LASTING:
            raise Undeliverable(str(answer.status))
        if not 200 <= answer.status < 300:
            raise ConnectionError(f"the SMS gateway answered {answer.status}")


def ends(environment: Mapping[str, str], data_dir: Path) -> dict[str, End]:
    """The end of each channel that the environment chooses; raises ValueError for a bad choice."""
    files = Files(data_dir / "messages")
    return {EMAIL: _mail_server(environment) or files, SMS: _sms_gateway(environment) or files}


def _mail_server(environment: Mapping[str, str]) -> MailServer | None:
    host = environment.get("SMTP_HOST", "")
    if not host:
        return None
    security = environment.get("SMTP_SECURITY") or "starttls"
    if security not in SECURITIES:
        raise ValueError(f"SMTP_SECURITY is one of: {', '.join(SECURITIES)}.")
    sender = environment.get("MAIL_FROM", "")
    try:
        _address(sender)
    except ValueError:
        raise ValueError("MAIL_FROM is the e-mail address that messages come from.") from None
    port = environment.get("SMTP_PORT") or str(PORTS[security])
    if not port.isdecimal() or not 0 < int(port) < 65536:
        raise ValueError("SMTP_PORT is a port number.")
    username = environment.get("SMTP_USERNAME", "")
    if username and security == "none" and host not in ("localhost", "127.0.0.1", "::1"):
        raise ValueError("SMTP_USERNAME wants SMTP_SECURITY starttls or tls.")
    password = environment.get("SMTP_PASSWORD", "")
    return MailServer(host, sender, int(port), security, username, password)


def _sms_gateway(environment: Mapping[str, str]) -> SmsGateway | None:
    url = environment.get("SMS_URL", "")
    if not url:
        return None
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError("SMS_URL is an http or https address.")
    try:
        headers = msgspec.json.decode(environment.get("SMS_HEADERS") or "{}", type=dict[str, str])
    except msgspec.DecodeError:
        raise ValueError('SMS_HEADERS is a JSON object, {"Authorization": "..."}.') from None
    return SmsGateway(url, headers)
