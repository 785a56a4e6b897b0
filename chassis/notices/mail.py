"""Messages as e-mails, through an SMTP server.

An address whose local part has letters beyond ASCII is written to by a server that offers SMTPUTF8
(RFC 6531), and undeliverable by others.
"""

import re
import smtplib
import ssl
from dataclasses import dataclass, field
from email.errors import MessageError
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP, SMTPUTF8
from email.utils import format_datetime

from chassis.notices.messages import Message, Undeliverable

SMTP_TIMEOUT_SECONDS = 10.0  # for each answer of the server
SECURITY_MODES = ("starttls", "tls", "none")
_BEYOND_ASCII = re.compile(r"[^\x00-\x7f]")
DEFAULT_PORTS = {"starttls": 587, "tls": 465, "none": 25}


@dataclass(frozen=True)
class MailServer:
    """An SMTP server."""

    host: str
    sender: str
    port: int = DEFAULT_PORTS["starttls"]
    security: str = "starttls"
    username: str = ""
    password: str = field(default="", repr=False)

    def send(self, message: Message) -> None:
        """Hand the message to the server."""
        try:
            content = build_mail(message, self.sender)
        except ValueError as error:
            raise Undeliverable(type(error).__name__) from None
        try:
            with self._connect() as server:
                server.ehlo_or_helo_if_needed()
                if content.policy.utf8 and not server.has_extn("smtputf8"):  # type: ignore[attr-defined]
                    raise Undeliverable("the server does not offer SMTPUTF8")
                server.send_message(content)
        except smtplib.SMTPRecipientsRefused as error:
            code = min(code for code, _ in error.recipients.values())
            raise _classify(error, code) from None
        except smtplib.SMTPResponseException as error:
            raise _classify(error, error.smtp_code) from None

    def _connect(self) -> smtplib.SMTP:
        if self.security == "tls":
            context = ssl.create_default_context()
            server: smtplib.SMTP = smtplib.SMTP_SSL(
                self.host, self.port, timeout=SMTP_TIMEOUT_SECONDS, context=context
            )
        else:
            server = smtplib.SMTP(self.host, self.port, timeout=SMTP_TIMEOUT_SECONDS)
        try:
            if self.security == "starttls":
                server.starttls(context=ssl.create_default_context())
            if self.username:
                server.login(self.username, self.password)
        except BaseException:
            server.close()
            raise
        return server


def _classify(error: Exception, code: int) -> Exception:
    """Return Undeliverable for a permanent SMTP reply (5xx), else the error itself."""
    # A wrong password is the operator's mistake, not the message's: it may yet be corrected.
    wrong_password = isinstance(error, smtplib.SMTPAuthenticationError)
    return Undeliverable(str(code)) if code >= 500 and not wrong_password else error


def build_mail(message: Message, sender: str) -> EmailMessage:
    """Return the message as an e-mail in the shop's name, from the operator's address."""
    of, to = parse_address(sender, message.shop), parse_address(message.to)
    is_plain = of.addr_spec.isascii() and to.addr_spec.isascii()
    mail = EmailMessage(policy=SMTP if is_plain else SMTPUTF8)
    mail["Subject"] = message.subject
    mail["From"] = of
    mail["To"] = to
    mail["Date"] = format_datetime(message.created_at)
    # The same on every attempt, so that recipients can recognize a duplicate.
    mail["Message-ID"] = f"<{message.id}@{sender.rpartition('@')[2]}>"
    mail["Auto-Submitted"] = "auto-generated"
    mail.set_content(message.text, cte="quoted-printable")
    mail["Content-Language"] = message.language
    return mail


def parse_address(text: str, name: str = "") -> Address:
    """Return a mailbox with its domain in ASCII; raises ValueError for a malformed one."""
    local, _, domain = text.rpartition("@")
    try:
        ascii_domain = domain.encode("idna").decode()
        # The parser takes no other letters: it sees the form of the address, with an x for each.
        parsed = Address(name, addr_spec=f"{_BEYOND_ASCII.sub('x', local)}@{ascii_domain}")
        return parsed if local.isascii() else Address(name, local, ascii_domain)
    except (MessageError, IndexError):  # the parser raises IndexError at an unexpected end
        raise ValueError("not an e-mail address") from None
