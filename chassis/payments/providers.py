"""What a payment provider does, whichever it is."""

from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

# What became of a charge.
TAKEN, REFUNDED, FAILED, EXPIRED = "taken", "refunded", "failed", "expired"
OUTCOMES = (TAKEN, REFUNDED, FAILED, EXPIRED)
WRONG_SIGNATURE = "The signature does not match."


@dataclass(frozen=True, slots=True)
class Account:
    """An owner's account at a provider; of several secrets each verifies callbacks."""

    owner: str
    provider: str
    api_url: str
    secret_key: str
    callback_secrets: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class PageOrder:
    """A page on which an amount in minor units is paid; `charge_id` is ours, for good."""

    charge_id: str
    amount: int
    currency: str
    description: str
    success_url: str
    cancel_url: str
    language: str | None = None


@dataclass(frozen=True, slots=True)
class RefundOrder:
    """An amount in minor units that goes back; `payment_ref` is what the provider took it under."""

    charge_id: str
    amount: int
    currency: str
    payment_ref: str


@dataclass(frozen=True, slots=True)
class Page:
    """A page that a provider has made."""

    ref: str
    url: str


@dataclass(frozen=True, slots=True)
class Report:
    """What a provider says of a charge: an outcome, or None while that is open.

    `ref` is the provider's name for the charge, `payment_ref` that of the money it took. Amount and
    currency are those that the provider names; None where it names none.
    """

    charge_id: str
    outcome: str | None
    ref: str | None = None
    payment_ref: str | None = None
    amount: int | None = None
    currency: str | None = None
    is_refund: bool = False  # else of a page


class CallFailed(Exception):
    """A call to a provider without a usable answer; `reason` is one word.

    A lasting failure is the provider's refusal of this very request.
    """

    def __init__(self, reason: str, *, lasting: bool = False) -> None:
        super().__init__(reason)
        self.reason = reason
        self.lasting = lasting


class CallbackRefused(Exception):
    """A callback that cannot be trusted or read; the text says why, without its content."""


class Provider(Protocol):
    """An adapter: it holds no account, and keeps nothing between calls."""

    def create_page(self, account: Account, order: PageOrder) -> Page:
        """Make a page for a payment; raises CallFailed. The same order returns the same page."""

    def refund(self, account: Account, order: RefundOrder) -> Report:
        """Give money back; raises CallFailed. The same order refunds once."""

    def read_callback(
        self, account: Account, body: bytes, signature: str, now: datetime
    ) -> Report | None:
        """Return what a signed callback reports; None for what is no charge of ours.

        Raises CallbackRefused.
        """
