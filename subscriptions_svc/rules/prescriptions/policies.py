"""Whether boxes go out: a merchant's policy, and what the law of its country wants.

Sources: 15 USC 7601-7610 and 16 CFR 315 for the US; the Opticians Act, s. 27, for the UK. For Spain
no statutory expiry and no verification by silence was found: practice is a yearly check.
"""

from datetime import date, datetime
from enum import StrEnum
from typing import NamedTuple
from zoneinfo import ZoneInfo

from dateutil.relativedelta import relativedelta

from subscriptions_svc.rules.prescriptions.verification import State, Verification


class Policy(StrEnum):
    """Whether a merchant hands over boxes of a lens without a valid prescription."""

    NONE = "none"  # it does, and says nothing
    WARN = "warn"  # it does, and the answer warns
    REQUIRE = "require"  # it does not


DEFAULT_POLICY = Policy.NONE  # the vendor's contract knows no prescription


class VerifyMode(StrEnum):
    """When a prescription on file counts as valid."""

    PRESENTED = "presented"  # until it is denied
    PASSIVE = "passive"  # once it is verified, by the prescriber or by their silence


class OnExpired(StrEnum):
    """What becomes of boxes under `require` once a prescription has expired."""

    REFUSE = "refuse"
    WARN = "warn"


class CountryPolicy(NamedTuple):
    """The law of a country: max_age is in months from the issue, where no expiry is stated."""

    needs_rx: bool
    max_age: int
    verify_mode: VerifyMode
    on_expired: OnExpired


# By the merchant's country, ISO 3166.
COUNTRY_POLICIES = {
    "ES": CountryPolicy(True, 12, VerifyMode.PRESENTED, OnExpired.REFUSE),
    "GB": CountryPolicy(True, 24, VerifyMode.PRESENTED, OnExpired.REFUSE),
    "US": CountryPolicy(True, 12, VerifyMode.PASSIVE, OnExpired.REFUSE),
}
# Elsewhere nothing was found: a merchant that requires prescriptions gets the careful reading.
OTHER_COUNTRIES = CountryPolicy(True, 24, VerifyMode.PRESENTED, OnExpired.REFUSE)


def find_country_policy(country: str) -> CountryPolicy:
    """Return the policy of a country."""
    return COUNTRY_POLICIES.get(country, OTHER_COUNTRIES)


class OnFile(NamedTuple):
    """What decides about a prescription: its last day, where that ends, and its verification."""

    expires_on: date
    time_zone: str  # of the prescriber
    verification: Verification

    def has_expired(self, now: datetime) -> bool:
        """Whether the prescriber's day is past its last one."""
        return now.astimezone(ZoneInfo(self.time_zone)).date() > self.expires_on

    def is_refused(self) -> bool:
        """Whether the prescriber has denied it, or it was rejected."""
        return self.verification.state in (State.DENIED, State.REJECTED)


class Hindrance(NamedTuple):
    """Why boxes of a lens are refused, or warned of."""

    code: str
    title: str
    refuses: bool
    expires_on: date | None = None
    verify_by: datetime | None = None
    reason: str | None = None


def derive_expiry(issued_on: date, country: CountryPolicy) -> date:
    """Return the last day of a prescription that states none."""
    return issued_on + relativedelta(months=country.max_age)


def find_hindrance(
    on_file: OnFile | None, policy: Policy, country: CountryPolicy, now: datetime
) -> Hindrance | None:
    """Return what keeps boxes of a lens from being handed over, or is warned of."""
    if policy is Policy.NONE:
        return None
    requires = policy is Policy.REQUIRE
    if on_file is None:
        title = "No prescription of this lens is on file."
        return Hindrance("prescription_missing", title, requires and country.needs_rx)
    verification = on_file.verification.at(
        now, is_passive=country.verify_mode is VerifyMode.PASSIVE
    )
    if on_file.is_refused():
        title = f"The prescription of this lens was {verification.state}: {verification.reason}."
        reason = verification.reason
        return Hindrance("prescription_denied", title, requires, reason=reason)
    if on_file.has_expired(now):
        title = f"The prescription of this lens expired on {on_file.expires_on.isoformat()}."
        refuses = requires and country.on_expired is OnExpired.REFUSE
        return Hindrance("prescription_expired", title, refuses, expires_on=on_file.expires_on)
    if country.verify_mode is VerifyMode.PASSIVE and verification.state is not State.VERIFIED:
        title = "The prescription of this lens is not verified."
        by = verification.verify_by
        return Hindrance("prescription_unverified", title, requires, verify_by=by)
    return None
