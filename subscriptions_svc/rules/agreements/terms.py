"""The term of a subscription: its agreed months, and those that it may then be renewed for.

Months are counted from the activation. After the agreed ones, a merchant's terms may renew a
subscription month by month (stated by the source: automatically, up to 24 more); then it ends and
the customer keeps the products. A renewed month binds to nothing but itself. A change after the
first twelve months extends the agreed months by twelve (stated by the source), once in a
subscription year (ours).
"""

from datetime import datetime
from typing import NamedTuple
from zoneinfo import ZoneInfo

from subscriptions_svc.rules.years import compute_renewal, count_months

DEFAULT_RENEWAL_MONTHS = 0  # of a merchant; the source has 24
MAX_RENEWAL_MONTHS = 24
CHANGE_EXTENSION_MONTHS = 12  # by which a change after the first year extends the agreed months


class Term(NamedTuple):
    """Months that were agreed on, and the most that they are renewed for, one by one."""

    total_months: int
    renewal_months: int = 0

    def count_months_begun(self, activated_at: datetime | None, now: datetime, tz: ZoneInfo) -> int:
        """Return the agreed months and, once those are over, the renewed ones that have begun."""
        if activated_at is None:
            return self.total_months
        begun = count_months(activated_at, now, tz) + 1
        return min(max(begun, self.total_months), self.total_months + self.renewal_months)

    def compute_renewal(
        self, activated_at: datetime | None, now: datetime, tz: ZoneInfo
    ) -> datetime | None:
        """Return when the months begun by now are over: it is renewed then, or it ends."""
        return compute_renewal(activated_at, self.count_months_begun(activated_at, now, tz), tz)

    def compute_end(self, activated_at: datetime | None, tz: ZoneInfo) -> datetime | None:
        """Return when the last month is over, renewed ones included."""
        return compute_renewal(activated_at, self.total_months + self.renewal_months, tz)

    def extend(self, months_begun: int, year: int, extended_year: int | None) -> "Term":
        """Return the term after a change in a subscription year, given that of the last extension.

        A renewed month that has begun counts as agreed.
        """
        if year == 1 or extended_year == year:
            return self
        total_months = max(self.total_months, months_begun) + CHANGE_EXTENSION_MONTHS
        return self._replace(total_months=total_months)
