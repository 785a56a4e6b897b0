"""The channels of messages: a real SMTP server, a real HTTP endpoint, and real files."""

import json
import smtplib
import ssl
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from email import message_from_bytes
from email.policy import default
from pathlib import Path
from typing import Any

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult, Envelope, Session

from chassis.notices.channels import choose_channels
from chassis.notices.files import Files
from chassis.notices.mail import MailServer
from chassis.notices.messages import EMAIL, SMS, Message, Undeliverable
from chassis.notices.sms import SmsGateway
from tests.chassis.events.receiver import answer_status, run_receiver

MOMENT = datetime(2026, 3, 1, 10, 30, tzinfo=UTC)
TEXT = "Grüß Gott Jürgen,\n\n\N{EURO SIGN} 12,50\n" + "Ein langer Satz. " * 20 + "\n"


def build_message(channel: str = EMAIL, to: str = "john@example.com", **changes: Any) -> Message:
    values = {
        "id": "6a9c8c1e-0000-4000-8000-000000000001",
        "channel": channel,
        "to": to,
        "subject": "Brillen Müller: Bitte bestätigen Sie Ihr Abo",
        "text": TEXT,
        "language": "de",
        "shop": 'Brillen Müller "am Eck", Wien',
        "created_at": MOMENT,
    }
    return Message(**{**values, **changes})


class Mailbox:
    """The mail that a server has received, and its answer to recipients."""

    def __init__(self) -> None:
        self.envelopes: list[Envelope] = []
        self.secure: list[bool] = []
        self.answer = "250 OK"

    async def handle_RCPT(
        self, server: Any, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        if self.answer.startswith("250"):
            envelope.rcpt_tos.append(address)
        return self.answer

    async def handle_DATA(self, server: Any, session: Session, envelope: Envelope) -> str:
        self.envelopes.append(envelope)
        self.secure.append(session.ssl is not None)
        return "250 OK"


class Listening(Controller):
    """On a free port: what the controller itself connects to once, to see that it listens."""

    def _trigger_server(self) -> None:
        listening: Any = self.server
        self.port = listening.sockets[0].getsockname()[1]
        super()._trigger_server()  # type: ignore[no-untyped-call]


@contextmanager
def mail_server(**options: Any) -> Iterator[tuple[Mailbox, int]]:
    mailbox = Mailbox()
    controller = Listening(mailbox, hostname="127.0.0.1", port=0, **options)
    controller.start()
    try:
        yield mailbox, controller.port
    finally:
        controller.stop()


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("tls") / "localhost.pem"
    command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"]
    command += ["-nodes", "-days", "2", "-subj", "/CN=localhost"]
    command += ["-addext", "subjectAltName=DNS:localhost", "-keyout", str(path), "-out", str(path)]
    subprocess.run(command, check=True, capture_output=True, timeout=60)
    return path


def build_tls(certificate: Path) -> ssl.SSLContext:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate)
    return context


def login(server: Any, session: Any, envelope: Any, mechanism: str, data: Any) -> AuthResult:
    right = (data.login, data.password) == (b"shop", b"s3cret")
    return AuthResult(success=right, handled=right)


def test_it_works() -> None:
    with mail_server() as (mailbox, port):
        MailServer("127.0.0.1", "noreply@optics.example", port, "none").send(build_message())

    (envelope,) = mailbox.envelopes
    assert envelope.mail_from == "noreply@optics.example"
    assert envelope.rcpt_tos == ["john@example.com"]
    content = envelope.content
    assert isinstance(content, bytes)
    assert max(map(len, content.splitlines())) < 100
    got = message_from_bytes(content, policy=default)
    assert dict(got.items()) == {
        "Subject": "Brillen Müller: Bitte bestätigen Sie Ihr Abo",
        "From": '"Brillen Müller \\"am Eck\\", Wien" <noreply@optics.example>',
        "To": "john@example.com",
        "Date": "Sun, 01 Mar 2026 10:30:00 +0000",
        "Message-ID": "<6a9c8c1e-0000-4000-8000-000000000001@optics.example>",
        "Content-Language": "de",
        "Auto-Submitted": "auto-generated",
        "Content-Type": 'text/plain; charset="utf-8"',
        "Content-Transfer-Encoding": "quoted-printable",
        "MIME-Version": "1.0",
    }
    assert got.get_content().splitlines() == TEXT.splitlines()


def test_starttls_and_login(certificate: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    options = {
        "tls_context": build_tls(certificate),
        "require_starttls": True,
        "authenticator": login,
        "auth_required": True,
    }
    with mail_server(**options) as (mailbox, port):
        sender = "noreply@optics.example"
        MailServer("localhost", sender, port, "starttls", "shop", "s3cret").send(build_message())

        assert mailbox.secure == [True]

        # The operator's mistake, not the message's: it is tried again.
        with pytest.raises(Exception, match="535"):
            MailServer("localhost", sender, port, "starttls", "shop", "wrong").send(build_message())


def test_tls_from_the_first_byte(certificate: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    with mail_server(ssl_context=build_tls(certificate)) as (mailbox, port):
        MailServer("localhost", "noreply@optics.example", port, "tls").send(build_message())
        assert len(mailbox.envelopes) == 1


def test_a_server_without_tls_gets_neither_message_nor_password() -> None:
    with mail_server(authenticator=login) as (mailbox, port):
        server = MailServer("127.0.0.1", "noreply@optics.example", port, "starttls", "shop", "x")
        with pytest.raises(smtplib.SMTPNotSupportedError):
            server.send(build_message())
        assert mailbox.envelopes == []


def test_an_unknown_certificate_is_not_trusted(certificate: Path) -> None:
    with mail_server(tls_context=build_tls(certificate), require_starttls=True) as (mailbox, port):
        with pytest.raises(ssl.SSLCertVerificationError):
            MailServer("localhost", "noreply@optics.example", port).send(build_message())
        assert mailbox.envelopes == []


@pytest.mark.parametrize(
    ("answer", "is_lasting"), [("550 No such user", True), ("451 Try again later", False)]
)
def test_a_refused_recipient_is_tried_again_unless_refused_for_good(
    answer: str, is_lasting: bool
) -> None:
    with mail_server() as (mailbox, port):
        mailbox.answer = answer
        with pytest.raises(Exception) as caught:  # noqa: PT011 - which one is the question
            MailServer("127.0.0.1", "noreply@optics.example", port, "none").send(build_message())
    assert isinstance(caught.value, Undeliverable) is is_lasting
    assert "john" not in str(caught.value) or not is_lasting


@pytest.mark.parametrize(
    "to",
    ["", "no address", "a@b.example\r\nBcc: everybody@example.com", "x@y@z", "jür gen@x.example"],
)
def test_a_malformed_address_is_not_sent_to(to: str) -> None:
    with mail_server() as (mailbox, port):
        with pytest.raises(Undeliverable):
            MailServer("127.0.0.1", "noreply@optics.example", port, "none").send(
                build_message(to=to)
            )
        assert mailbox.envelopes == []


def test_a_domain_beyond_ascii_is_written_in_ascii() -> None:
    with mail_server() as (mailbox, port):
        server = MailServer("127.0.0.1", "noreply@optics.example", port, "none")
        server.send(build_message(to="jurgen@müller.example"))
        assert mailbox.envelopes[0].rcpt_tos == ["jurgen@xn--mller-kva.example"]


@pytest.mark.parametrize("security", ["none", "starttls"])
def test_letters_beyond_ascii_are_written_to_by_a_server_that_offers_it(
    security: str, certificate: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    tls = {"tls_context": build_tls(certificate)} if security == "starttls" else {}
    message = build_message(to="jürgen@müller.example")
    with mail_server(**tls) as (mailbox, port):
        MailServer("localhost", "noreply@optics.example", port, security).send(message)
    (envelope,) = mailbox.envelopes
    assert (envelope.rcpt_tos, envelope.smtp_utf8) == (["jürgen@xn--mller-kva.example"], True)
    content = envelope.content
    assert isinstance(content, bytes)
    got = message_from_bytes(content, policy=default)
    assert "\r\nTo: jürgen@xn--mller-kva.example\r\n" in content.decode()
    assert got.get_content().splitlines() == TEXT.splitlines()


def test_by_another_server_they_are_never_written_to() -> None:
    with mail_server(enable_SMTPUTF8=False) as (mailbox, port):
        server = MailServer("127.0.0.1", "noreply@optics.example", port, "none")
        with pytest.raises(Undeliverable, match="the server does not offer SMTPUTF8"):
            server.send(build_message(to="jürgen@x.example"))
        server.send(build_message())
    assert [each.rcpt_tos for each in mailbox.envelopes] == [["john@example.com"]]


def test_a_file_names_the_address_as_it_is(tmp_path: Path) -> None:
    Files(tmp_path).send(build_message(to="jürgen@müller.example"))
    (path,) = tmp_path.iterdir()
    assert "To: jürgen@xn--mller-kva.example" in path.read_text("utf-8")


def test_a_server_that_is_away_is_no_end_of_it() -> None:
    with mail_server() as (_, port):
        pass
    with pytest.raises(ConnectionRefusedError):
        MailServer("127.0.0.1", "noreply@optics.example", port, "none").send(build_message())


def test_an_sms_is_json_for_the_gateway() -> None:
    with run_receiver() as receiver:
        end = SmsGateway(f"{receiver.url}?from=shop", {"Authorization": "Bearer abc"})
        end.send(build_message(SMS, "+34 679 959 234"))

    (request,) = receiver.received
    assert (request.method, request.path) == ("POST", "/events?from=shop")
    assert json.loads(request.body) == {"to": "+34 679 959 234", "text": TEXT}
    assert request.headers["content-type"] == "application/json"
    assert request.headers["authorization"] == "Bearer abc"
    assert request.headers["idempotency-key"] == build_message().id


@pytest.mark.parametrize(
    ("code", "is_lasting"),
    [(400, True), (422, True), (401, False), (429, False), (500, False), (302, False)],
)
def test_a_gateway_that_refuses(code: int, is_lasting: bool) -> None:
    with run_receiver() as receiver:
        receiver.answers = [answer_status(code, Location="/elsewhere")]
        with pytest.raises(Exception) as caught:  # noqa: PT011 - which one is the question
            SmsGateway(receiver.url).send(build_message(SMS, "679959234"))
        assert len(receiver.received) == 1
    assert isinstance(caught.value, Undeliverable) is is_lasting


def test_a_file_per_message(tmp_path: Path) -> None:
    folder = tmp_path / "data" / "messages"
    files = Files(folder)
    files.send(build_message())
    files.send(build_message())
    files.send(build_message(SMS, "679959234", id="other", text="See: http://x"))

    assert sorted(path.name for path in folder.iterdir()) == [
        "20260301T103000-6a9c8c1e-0000-4000-8000-000000000001.eml",
        "20260301T103000-other.txt",
    ]
    mail, sms = sorted(folder.iterdir())
    content = message_from_bytes(mail.read_bytes(), policy=default).get_content()
    assert content.splitlines() == TEXT.splitlines()
    assert sms.read_text() == "To: 679959234\n\nSee: http://x\n"
    assert {path.stat().st_mode & 0o777 for path in folder.iterdir()} == {0o600}
    assert folder.stat().st_mode & 0o777 == 0o700


def test_files_are_what_nobody_has_chosen_otherwise(tmp_path: Path) -> None:
    files = Files(tmp_path / "messages")
    assert choose_channels({}, tmp_path) == {EMAIL: files, SMS: files}


def test_the_environment_chooses(tmp_path: Path) -> None:
    environment = {
        "SMTP_HOST": "mail.example",
        "MAIL_FROM": "noreply@optics.example",
        "SMTP_SECURITY": "tls",
        "SMTP_USERNAME": "shop",
        "SMTP_PASSWORD": "s3cret",
        "SMS_URL": "https://sms.example/send",
        "SMS_HEADERS": '{"Authorization": "Bearer abc"}',
    }
    assert choose_channels(environment, tmp_path) == {
        EMAIL: MailServer("mail.example", "noreply@optics.example", 465, "tls", "shop", "s3cret"),
        SMS: SmsGateway("https://sms.example/send", {"Authorization": "Bearer abc"}),
    }
    assert "s3cret" not in repr(choose_channels(environment, tmp_path))
    assert "abc" not in repr(choose_channels(environment, tmp_path))
    secrets = ("SMTP_PASSWORD", "SMS_URL", "SMS_HEADERS")
    for name in secrets:
        (tmp_path / name).write_text(environment[name] + "\n")
    in_files = {f"{name}_FILE": str(tmp_path / name) for name in secrets}
    rest = {name: value for name, value in environment.items() if name not in secrets}
    assert choose_channels({**rest, **in_files}, tmp_path) == choose_channels(environment, tmp_path)
    with pytest.raises(ValueError, match="SMTP_PASSWORD and SMTP_PASSWORD_FILE are both set"):
        choose_channels({**environment, **in_files}, tmp_path)


@pytest.mark.parametrize(
    ("name", "environment"),
    [
        ("MAIL_FROM", {"SMTP_HOST": "mail.example"}),
        ("MAIL_FROM", {"SMTP_HOST": "mail.example", "MAIL_FROM": "nobody"}),
        ("SMTP_SECURITY", {"SMTP_HOST": "x", "MAIL_FROM": "a@b.example", "SMTP_SECURITY": "ssl"}),
        ("SMTP_PORT", {"SMTP_HOST": "x", "MAIL_FROM": "a@b.example", "SMTP_PORT": "0"}),
        ("SMTP_PORT", {"SMTP_HOST": "x", "MAIL_FROM": "a@b.example", "SMTP_PORT": "25x"}),
        (
            "SMTP_USERNAME",
            {
                "SMTP_HOST": "mail.example",
                "MAIL_FROM": "a@b.example",
                "SMTP_SECURITY": "none",
                "SMTP_USERNAME": "shop",
            },
        ),
        ("SMS_URL", {"SMS_URL": "ftp://sms.example"}),
        ("SMS_URL", {"SMS_URL": "sms.example/send"}),
        ("SMS_HEADERS", {"SMS_URL": "https://sms.example", "SMS_HEADERS": "Authorization: x"}),
        ("SMS_HEADERS", {"SMS_URL": "https://sms.example", "SMS_HEADERS": '{"a": 1}'}),
    ],
)
def test_a_wrong_choice_is_named(tmp_path: Path, name: str, environment: dict[str, str]) -> None:
    with pytest.raises(ValueError, match=name):
        choose_channels(environment, tmp_path)
