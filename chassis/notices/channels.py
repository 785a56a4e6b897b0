"""The channels of messages: a mail server, an SMS gateway, or files in a folder.

A channel is anything with `send(message)`. It raises Undeliverable when another attempt would be
useless, and any other exception when one may succeed. The libraries of a channel are loaded where
it is configured.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Protocol
from urllib.parse import urlsplit

import msgspec

from chassis.notices.files import Files
from chassis.notices.messages import EMAIL, SMS, Message
from chassis.settings.variables import read_secret
from chassis.store.encryption.keyring import Keyring

if TYPE_CHECKING:
    from chassis.notices.mail import MailServer
    from chassis.notices.sms import SmsGateway


class Channel(Protocol):
    """What sends messages."""

    def send(self, message: Message) -> None:
        """Send a message; it is sent when this returns."""


def choose_channels(
    environment: Mapping[str, str], data_dir: Path, keyring: Keyring | None = None
) -> dict[str, Channel]:
    """Return the channels that the environment configures; raises ValueError for a bad setting."""
    files = Files(data_dir / "messages", keyring)
    return {
        EMAIL: _configure_mail_server(environment) or files,
        SMS: _configure_sms_gateway(environment) or files,
    }


def _configure_mail_server(environment: Mapping[str, str]) -> "MailServer | None":
    host = environment.get("SMTP_HOST", "")
    if not host:
        return None
    from chassis.notices.mail import (
        DEFAULT_PORTS,
        SECURITY_MODES,
        MailServer,
        parse_address,
    )

    security = environment.get("SMTP_SECURITY") or "starttls"
    if security not in SECURITY_MODES:
        raise ValueError(f"SMTP_SECURITY must be one of: {', '.join(SECURITY_MODES)}.")
    sender = environment.get("MAIL_FROM", "")
    try:
        parse_address(sender)
    except ValueError:
        raise ValueError("MAIL_FROM must be the e-mail address that messages come from.") from None
    port = environment.get("SMTP_PORT") or str(DEFAULT_PORTS[security])
    if not port.isdecimal() or not 0 < int(port) < 65536:
        raise ValueError("SMTP_PORT must be a port number.")
    username = environment.get("SMTP_USERNAME", "")
    if username and security == "none" and host not in ("localhost", "127.0.0.1", "::1"):
        raise ValueError("SMTP_USERNAME requires SMTP_SECURITY starttls or tls.")
    password = read_secret(environment, "SMTP_PASSWORD")
    return MailServer(host, sender, int(port), security, username, password)


def _configure_sms_gateway(environment: Mapping[str, str]) -> "SmsGateway | None":
    url = read_secret(environment, "SMS_URL")
    if not url:
        return None
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError("SMS_URL must be an http or https address.")
    try:
        packed = read_secret(environment, "SMS_HEADERS") or "{}"
        headers = msgspec.json.decode(packed, type=dict[str, str])
    except msgspec.DecodeError:
        raise ValueError('SMS_HEADERS must be a JSON object: {"Authorization": "..."}.') from None
    from chassis.notices.sms import SmsGateway

    return SmsGateway(url, headers)
