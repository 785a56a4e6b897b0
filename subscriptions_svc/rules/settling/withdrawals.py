"""How a subscription ends: by an early withdrawal, which is free, or by a full cancellation.

The caller asks for the end and the service picks. The source's pages disagree about what ends the
early withdrawal: 24 hours after the confirmation, or the first item handed over. Ours: whichever
comes first. A merchant may grant the days of consumer law on top (Directive 2011/83/EU, Art. 9 and
16 (e)): they begin with the first delivery, and opened hygiene goods are excepted.
"""

from datetime import datetime, timedelta
from typing import NamedTuple
from zoneinfo import ZoneInfo

from subscriptions_svc.rules.carts import CONTACT_LENS
from subscriptions_svc.rules.years import to_local_day, to_start_of_day

WITHDRAWAL_PERIOD = timedelta(hours=24)  # from the confirmation, until something is handed over
DEFAULT_WITHDRAWAL_DAYS = 0  # of a merchant; consumer law in the EU has 14
MAX_WITHDRAWAL_DAYS = 365
HYGIENE_GOODS = (CONTACT_LENS,)  # item types that are not taken back once opened


class Progress(NamedTuple):
    """How far a subscription has come, and the days of withdrawal that its merchant grants.

    `first_delivery_at` is when the first item or box was handed over.
    """

    confirmed_at: datetime | None
    first_delivery_at: datetime | None
    withdrawal_days: int


def is_free(progress: Progress, now: datetime) -> bool:
    """Whether ending is an early withdrawal: unconfirmed, or nothing handed over and in time.

    Days of consumer law do not begin, and so do not end, before the first delivery.
    """
    if progress.confirmed_at is None:
        return True
    if progress.first_delivery_at is not None:
        return False
    return progress.withdrawal_days > 0 or now - progress.confirmed_at < WITHDRAWAL_PERIOD


def is_refundable(progress: Progress, now: datetime, tz: ZoneInfo) -> bool:
    """Whether returning what was handed over is free: the day of the delivery is not counted."""
    if progress.first_delivery_at is None or progress.withdrawal_days == 0:
        return False
    last = to_local_day(progress.first_delivery_at, tz) + timedelta(days=progress.withdrawal_days)
    return now < to_start_of_day(last + timedelta(days=1), tz)
