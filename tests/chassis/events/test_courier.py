"""One attempt over HTTP, against a real receiver on loopback."""

import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from standardwebhooks.webhooks import Webhook, WebhookVerificationError

from chassis.events import addresses
from chassis.events import courier as webhooks
from chassis.events.courier import AttemptResult, Courier, Delivery
from chassis.events.endpoints import generate_signing_secret
from tests.chassis.events.receiver import (
    Answering,
    Receiver,
    answer_endlessly,
    answer_nonsense,
    answer_status,
    drip,
    hang,
    redirect,
    reset,
    run_receiver,
)

CERTIFICATE = str(Path(__file__).parent / "partner.pem")  # and its key, which protects nothing
SECRET = generate_signing_secret()
BODY = '{"type":"thing.moved","größe":1}'.encode()


def send(
    url: str, *, private: bool = True, timeout: float = 5, trusted: str = "", **fields: Any
) -> AttemptResult:
    """Try once."""
    values: dict[str, Any] = {
        "headers": {"Authorization": "Bearer partner", "X-Store": "7"},
        "secret": SECRET,
        "event_id": "evt_1",
        "content_type": "application/json",
        "body": BODY,
        **fields,
    }
    courier = Courier(private=private, timeout=timeout)
    if trusted:
        courier.tls.load_verify_locations(trusted)
    return courier.deliver(Delivery(url=url, **values), datetime.now(UTC))


def test_it_works(partner: Receiver) -> None:
    assert send(f"{partner.url}?a=1&b=%20") == AttemptResult(204)
    (received,) = partner.received
    assert (received.method, received.path, received.body) == ("POST", "/events?a=1&b=%20", BODY)
    headers = dict(received.headers)
    assert abs(int(headers.pop("webhook-timestamp")) - time.time()) < 60
    assert headers.pop("webhook-signature").startswith("v1,")
    assert headers == {
        "host": partner.url.removeprefix("http://").removesuffix("/events"),
        "accept-encoding": "identity",
        "content-length": str(len(BODY)),
        "content-type": "application/json",
        "user-agent": "Optigate",
        "authorization": "Bearer partner",
        "x-store": "7",
        "webhook-id": "evt_1",
    }


def test_the_signature_is_that_of_standard_webhooks(partner: Receiver) -> None:
    send(partner.url)
    (received,) = partner.received
    assert Webhook(SECRET).verify(received.body, received.headers) == json.loads(BODY)
    with pytest.raises(WebhookVerificationError):
        Webhook(SECRET).verify(received.body + b" ", received.headers)
    with pytest.raises(WebhookVerificationError):
        Webhook(generate_signing_secret()).verify(received.body, received.headers)
    with pytest.raises(WebhookVerificationError):
        Webhook(SECRET).verify(received.body, {**received.headers, "webhook-id": "evt_2"})


def test_a_partner_may_name_another_user_agent(partner: Receiver) -> None:
    send(partner.url, headers={"User-Agent": "Shop/1.0"})
    assert partner.received[0].headers["user-agent"] == "Shop/1.0"


def test_another_content_type(partner: Receiver) -> None:
    form = "application/x-www-form-urlencoded"
    send(partner.url, content_type=form, body=b"event=a&event_id=evt_1")
    assert partner.received[0].headers["content-type"] == form
    assert partner.received[0].body == b"event=a&event_id=evt_1"


@pytest.mark.parametrize("code", [200, 201, 202, 204, 299])
def test_any_2xx_acknowledges(partner: Receiver, code: int) -> None:
    partner.answers = [answer_status(code)]
    assert send(partner.url) == AttemptResult(code)


@pytest.mark.parametrize("code", [300, 303, 304, 400, 404, 410, 429, 500, 501, 503])
def test_any_other_status_is_a_failure_with_its_number(partner: Receiver, code: int) -> None:
    partner.answers = [answer_status(code, Location="/other")]
    assert send(partner.url) == AttemptResult(code, "status")
    assert len(partner.received) == 1


@pytest.mark.parametrize(
    ("answering", "word"),
    [(reset, "reset"), (answer_nonsense, "malformed"), (hang, "timeout"), (drip, "timeout")],
)
def test_a_missing_answer_has_a_one_word_reason(
    partner: Receiver, answering: Answering, word: str
) -> None:
    partner.answers = [answering]
    began = time.monotonic()
    assert send(partner.url, timeout=0.5) == AttemptResult(None, word)
    assert time.monotonic() - began < 5


def test_a_body_without_end_is_not_read(partner: Receiver) -> None:
    partner.answers = [answer_endlessly]
    assert send(partner.url) == AttemptResult(200)


def test_nobody_listens() -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    assert send(f"http://127.0.0.1:{port}/") == AttemptResult(None, "refused")


def test_a_port_that_never_accepts() -> None:
    """The time limit holds for the connection too."""
    with socket.create_server(("127.0.0.1", 0), backlog=0) as full:
        address = full.getsockname()
        waiting = []
        for _ in range(8):
            each = socket.socket()
            each.setblocking(False)
            each.connect_ex(address)
            waiting.append(each)
        answer = send(f"http://127.0.0.1:{address[1]}/", timeout=0.5)
        assert answer == AttemptResult(None, "timeout")
        for each in waiting:
            each.close()


def test_a_name_that_is_not_known() -> None:
    assert send("http://nobody.invalid/") == AttemptResult(None, "name")


def test_http_is_not_https(partner: Receiver) -> None:
    assert send(partner.url.replace("http", "https")) == AttemptResult(None, "tls")
    assert partner.received == []


@pytest.mark.parametrize("code", [301, 302, 307, 308])
@pytest.mark.parametrize("location", ["/moved?x=1", "moved?x=1", "?x=1", "http://HOST/moved?x=1"])
def test_a_redirect_keeps_method_and_body(partner: Receiver, code: int, location: str) -> None:
    host = partner.url.removeprefix("http://").removesuffix("/events")
    partner.answers = [redirect(code, location.replace("HOST", host)), answer_status(200)]
    assert send(partner.url) == AttemptResult(200)
    first, second = partner.received
    assert (second.method, second.body) == ("POST", BODY)
    assert second.path in ("/moved?x=1", "/events?x=1")
    assert second.headers == first.headers
    assert Webhook(SECRET).verify(second.body, second.headers)


@pytest.mark.parametrize(
    ("hops", "answer"), [(4, AttemptResult(204)), (5, AttemptResult(None, "redirects"))]
)
def test_four_redirects_are_followed(partner: Receiver, hops: int, answer: AttemptResult) -> None:
    for hop in range(hops):
        partner.at["/events" if hop == 0 else f"/{hop}"] = redirect(307, f"/{hop + 1}")
    assert send(partner.url) == answer
    assert len(partner.received) == 5


def test_redirects_share_the_time_of_one_attempt(partner: Receiver) -> None:
    def answer_slowly(handler: Any) -> None:
        time.sleep(0.3)
        redirect(307, "/events")(handler)

    partner.answers = [answer_slowly]
    began = time.monotonic()
    assert send(partner.url, timeout=0.5) == AttemptResult(None, "timeout")
    assert time.monotonic() - began < 3
    assert len(partner.received) <= 2


def test_the_partners_headers_stay_with_the_partners_origin(partner: Receiver) -> None:
    with run_receiver() as other:
        partner.answers = [redirect(308, other.url)]
        assert send(partner.url) == AttemptResult(204)
        (received,) = other.received
    assert "authorization" not in received.headers
    assert "x-store" not in received.headers
    assert Webhook(SECRET).verify(received.body, received.headers)


@pytest.mark.parametrize(
    "location",
    ["ftp://127.0.0.1/", "http://u:p@127.0.0.1/", "http://[::1/", "/ü", "http://x:y/"],
)
def test_a_redirect_that_leads_nowhere(partner: Receiver, location: str) -> None:
    partner.answers = [redirect(307, location.encode().decode("latin-1"))]
    assert send(partner.url) == AttemptResult(None, "redirect")
    assert len(partner.received) == 1


def test_a_redirect_without_a_place_is_a_status(partner: Receiver) -> None:
    partner.answers = [answer_status(302)]
    assert send(partner.url) == AttemptResult(302, "status")


def test_this_machine_is_no_target_unless_it_is_allowed(partner: Receiver) -> None:
    for url in (partner.url, partner.url.replace("127.0.0.1", "localhost")):
        assert send(url, private=False) == AttemptResult(None, "private")
    assert partner.received == []


@pytest.fixture
def public_name(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Let partner.example be this machine, as if it were public; return the names looked up."""
    asked: list[str] = []
    real: Callable[..., Any] = addresses.resolve

    def check(host: str, port: int, *, private: bool) -> Any:
        asked.append(host)
        if host == "partner.example":
            return real("127.0.0.1", port, private=True)
        return real(host, port, private=private)

    monkeypatch.setattr(webhooks, "resolve", check)
    return asked


def test_each_hop_is_checked(partner: Receiver, public_name: list[str]) -> None:
    with run_receiver() as inner:
        partner.answers = [redirect(307, inner.url)]
        url = partner.url.replace("127.0.0.1", "partner.example")
        assert send(url, private=False) == AttemptResult(None, "private")
        assert inner.received == []
    assert public_name == ["partner.example", "127.0.0.1"]


def test_the_connection_goes_to_the_address_that_was_checked(
    partner: Receiver, public_name: list[str]
) -> None:
    """The name is asked once, and its address is that of the connection; Host is the name."""
    assert send(
        partner.url.replace("127.0.0.1", "partner.example"), private=False
    ) == AttemptResult(204)
    assert public_name == ["partner.example"]
    assert partner.received[0].headers["host"].startswith("partner.example:")


@pytest.fixture
def secure(public_name: list[str]) -> Iterator[Receiver]:
    """A receiver with a certificate for partner.example."""
    with run_receiver(tls=CERTIFICATE) as receiver:
        yield receiver


def test_the_certificate_is_checked_for_the_name(secure: Receiver, public_name: list[str]) -> None:
    url = secure.url.replace("127.0.0.1", "partner.example")
    assert send(url) == AttemptResult(None, "tls")
    assert send(url, trusted=CERTIFICATE) == AttemptResult(204)
    assert send(secure.url, trusted=CERTIFICATE) == AttemptResult(None, "tls")
    assert len(secure.received) == 1
    assert secure.received[0].headers["host"].startswith("partner.example:")


def test_a_secure_endpoint_that_hangs_or_drips(secure: Receiver, public_name: list[str]) -> None:
    url = secure.url.replace("127.0.0.1", "partner.example")
    for answering in (hang, drip):
        secure.answers = [answering]
        assert send(url, trusted=CERTIFICATE, timeout=0.5) == AttemptResult(None, "timeout")


def test_https_does_not_turn_into_http(
    secure: Receiver, partner: Receiver, public_name: list[str]
) -> None:
    secure.answers = [redirect(307, partner.url)]
    url = secure.url.replace("127.0.0.1", "partner.example")
    assert send(url, trusted=CERTIFICATE) == AttemptResult(None, "downgrade")
    assert partner.received == []


def test_the_next_address_is_tried(partner: Receiver, monkeypatch: pytest.MonkeyPatch) -> None:
    port = int(partner.url.split(":")[2].split("/")[0])
    with socket.create_server(("127.0.0.1", 0)) as free:
        closed = free.getsockname()[1]
    found = [(socket.AF_INET, ("127.0.0.1", closed)), (socket.AF_INET, ("127.0.0.1", port))]
    monkeypatch.setattr(webhooks, "resolve", lambda *_, **__: found)
    assert send("http://two.example/") == AttemptResult(204)


def test_no_thread_is_left_behind(partner: Receiver) -> None:
    before = threading.active_count()
    for _ in range(5):
        send(partner.url)
    end = time.monotonic() + 5
    while threading.active_count() > before + 1:
        assert time.monotonic() < end
        time.sleep(0.01)
