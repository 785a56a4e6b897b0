"""The chain of examples/README.md against `make run`: its lines, people, events and pages."""

import json
import os
import re
import struct
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.browser import DESK, PHONE, Windows
from tests.chaos.campaign.clock import Clock
from tests.chassis.notices.test_channels import Mailbox, mail_server
from tests.examples.stage import ROOT, WAITING, Stage, check_fields, list_blocks, run_stage
from tests.gateway.pages.dashboard import log_in

EXAM_URL = "https://exam.example/"  # the operator's own exam, which nobody opens here
SESSION, PERSON = "session-9", "test@example.com"
pytestmark = pytest.mark.timeout(300)


@dataclass
class Chain:
    """The stage, the mail that arrived, and what the steps so far have printed."""

    stage: Stage
    mailbox: Mailbox
    clock: Clock
    windows: Windows
    pictures: Path
    lines: list[str]  # of the README, still to come
    names: dict[str, str] = field(default_factory=dict)  # variables that the reader sets
    photographed: list[str] = field(default_factory=list)

    def play(self, *events: str, refused: bool = False) -> list[str]:
        """Run the README's next line; returns what it printed, and checks the events it causes."""
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", self.lines.pop(0)],
            cwd=ROOT,
            env={**self.stage.environment, **self.names},
            capture_output=True,
            text=True,
            timeout=120,
        )
        assert (done.returncode != 0) == refused, done.stdout + done.stderr
        self.expect_events(*events)
        return (done.stdout + done.stderr).splitlines()

    def expect_events(self, *expected: str) -> None:
        """Fail unless these events come, as their schemas say; those of one step in any order."""
        found = self.stage.read_events(len(expected))
        for each in found:
            check_fields(each)
        assert sorted(map(describe, found)) == sorted(expected)

    def read_mail(self, subject: str) -> EmailMessage:
        """The next message to the person."""
        end = time.monotonic() + WAITING
        while not self.mailbox.envelopes:
            assert time.monotonic() < end, f"no mail: {subject}"
            time.sleep(0.1)
        envelope = self.mailbox.envelopes.pop(0)
        assert isinstance(envelope.content, bytes)
        mail: Any = message_from_bytes(envelope.content, policy=default)
        assert (envelope.rcpt_tos, mail["Subject"]) == ([PERSON], subject)
        return mail  # type: ignore[no-any-return]  # the policy's class is not known to mypy

    def photograph(self, page: Page, name: str, heading: str) -> None:
        """Take a picture at phone and at desk size; each shows the heading, and fits the window."""
        title = page.get_by_role("heading", level=1)
        expect(title).to_have_text(re.compile(rf"\s*{re.escape(heading)}"))
        for kind, size in {"phone": PHONE, "desk": DESK}.items():
            page.set_viewport_size(size)  # type: ignore[arg-type]  # a size like any other
            expect(title).to_be_in_viewport(ratio=1)
            assert page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0
            path = self.pictures / f"chain-{len(self.photographed):02}-{name}-{kind}.png"
            picture = page.screenshot(path=path, full_page=True)
            width, height = struct.unpack(">II", picture[16:24])
            assert (width, height >= size["height"]) == (size["width"], True)
        self.photographed.append(name)


def describe(event: dict[str, Any]) -> str:
    """An event's type, and the status in it."""
    kind = event.get("event") or event["type"]
    told = event.get("status") or event.get("data", {}).get("lab_status")
    return f"{kind} {told}" if told and "subscriptions/" not in kind else str(kind)


@pytest.fixture
def chain(tmp_path: Path, windows: Windows) -> Iterator[Chain]:
    """All that the chain needs, under a clock that can be moved."""
    clock = Clock(tmp_path / "clock")
    pictures = Path(os.environ.get("SCREENSHOTS") or tmp_path / "pictures")
    pictures.mkdir(parents=True, exist_ok=True)
    lines = "".join(each for each in list_blocks() if "examples.chain" in each).splitlines()
    with mail_server() as (mailbox, port):
        settings = {
            "GATEWAY_EXAM_URL": EXAM_URL,
            "SMTP_HOST": "127.0.0.1",
            "SMTP_PORT": str(port),
            "SMTP_SECURITY": "none",
            "MAIL_FROM": "noreply@optics.example",
        }
        with run_stage(tmp_path, settings | clock.environment) as stage:
            yield Chain(stage, mailbox, clock, windows, pictures, lines)


def test_the_chain_runs(chain: Chain) -> None:
    take_the_test(chain)
    get_the_glasses(chain)
    page = subscribe(chain)
    hand_over(chain, page)
    assert chain.lines == []
    assert chain.stage.lines.empty()
    assert chain.mailbox.envelopes == []
    assert len(list(chain.pictures.glob("chain-*.png"))) == 2 * len(chain.photographed)


def take_the_test(chain: Chain) -> None:
    (link,) = chain.play()
    page = chain.windows.open()
    page.goto(link)
    chain.photograph(page, "door", "Your vision test is ready")
    assert "$75.00" in page.locator(".facts").inner_text()
    page.get_by_role("button", name="Start").click()
    chain.photograph(page, "exam", "You can begin now")
    chain.expect_events("session_updated started")
    assert chain.play("session_updated awaiting_checkout") == ["awaiting_checkout"]
    page.reload()
    chain.photograph(page, "checkout", "Pay for your test")
    assert page.locator(".facts dd").inner_text() == "$75.00"
    assert chain.play("session_updated awaiting_review") == ["awaiting_review"]
    chain.photograph(page, "paid", "Thank you")  # the page goes on by itself
    assert page.get_by_text("A doctor will review it next.").is_visible()
    assert chain.play("session_completed approved") == ["approved"]
    page.reload()
    assert page.get_by_text("the prescription has been issued").is_visible()
    chain.photograph(page, "approved", "Thank you")


def get_the_glasses(chain: Chain) -> None:
    order_id, review, *warnings = chain.play()
    assert [each.partition(":")[0] for each in warnings] == ["tracing_conflict"] * 2
    page = chain.windows.open()
    page.goto(review)
    chain.photograph(page, "login", "Log in")
    log_in(page)
    page.wait_for_url(review)
    chain.photograph(page, "draft", "Test User Draft")
    chain.names["ORDER"] = order_id
    assert chain.play("order.submitted submitted") == ["submitted"]
    (link,) = chain.play()
    page = chain.windows.open()
    page.goto(link)
    chain.photograph(page, "ordered", "Hello Test")
    assert page.get_by_role("status").inner_text() == "Your glasses are ordered."
    changes = [f"order.status_changed {each}" for each in ("in_progress", "shipped")]
    assert chain.play(*changes) == ["shipped"]
    page.reload()
    chain.photograph(page, "shipped", "Hello Test")
    assert page.locator("[aria-current]").inner_text().startswith("On their way")
    assert chain.play("order.status_changed ready_for_pickup") == ["ready_for_pickup"]
    assert link in chain.read_mail("Your glasses are ready").get_content()
    page.reload()
    chain.photograph(page, "ready", "Hello Test")
    assert page.get_by_role("status").inner_text() == "Your glasses are ready to be picked up."


def subscribe(chain: Chain) -> Page:
    chain.names["SUBSCRIPTION"], link = chain.play()
    page = chain.windows.open(locale="en")
    page.goto(link)
    chain.photograph(page, "cart", "Your subscription")
    page.get_by_role("checkbox").check()
    page.get_by_role("button").click()
    chain.photograph(page, "confirmed", "You have confirmed")
    return page


def hand_over(chain: Chain, page: Page) -> None:
    assert chain.play("subscriptions/created", "subscriptions/payment_status_changed") == [
        "activating"
    ]
    page.reload()
    chain.photograph(page, "subscribed", "Your subscription is confirmed")
    first = chain.play("subscriptions/activated", "subscriptions/boxes_delivered")
    assert first[0] == "Left contact lens: 1 of 4"
    due = datetime.fromisoformat(first[-1].removeprefix("next: "))
    chain.clock.move(due.replace(tzinfo=UTC) + timedelta(days=1) - datetime.now(UTC))
    chain.stage.copy.stop()
    chain.stage.copy.start()  # at its start it looks who is to be reminded
    mail = chain.read_mail("Óptica Segura: ya te tocan las próximas cajas").get_content()
    (stop,) = re.findall(r"\S+/r/\S+", mail)
    page.goto(stop)
    chain.photograph(page, "reminders", "Reminders")
    page.get_by_role("button", name="Stop the reminders").click()
    expect(page.get_by_text("You will get no more reminders")).to_be_visible()
    chain.photograph(page, "stopped", "Reminders")
    second = chain.play("subscriptions/boxes_delivered")
    assert second[:2] == ["Left contact lens: 2 of 4", "Right contact lens: 2 of 4"]
    chain.clock.move(timedelta(days=366) - chain.clock.moved)
    (refusal,) = chain.play(refused=True)
    status, body = re.fullmatch(r"POST \S+: (\d+) (.*)", refusal).groups()  # type: ignore[union-attr]
    errors = json.loads(body)["errors"]
    assert status == "422"
    assert [each["code"] for each in errors] == ["prescription_expired"] * 2
    last_day = (datetime.now(UTC).date() + timedelta(days=365)).isoformat()
    assert {each["expiration_date"] for each in errors} == {last_day}
