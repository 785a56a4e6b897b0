"""RequestVerification: records that a prescriber was asked, and until when they may answer."""

from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row

from chassis.calendars.business_hours import add_business_hours, is_calendar
from chassis.errors import NotFound, WrongState
from protos import subscriptions_pb2 as pb
from subscriptions_svc.documents.prescriptions import build_verification
from subscriptions_svc.rules.prescriptions.verification import (
    VERIFICATION_HOURS,
    State,
    Verification,
)
from subscriptions_svc.store.lenses.prescriptions import get_verification, set_verification
from subscriptions_svc.store.subscriptions import ensure_live
from subscriptions_svc.store.views import NOT_ALLOWED, View, read_view


def request_verification(
    tx: Connection, subscription: Row[Any], reference_uuid: str, now: datetime
) -> pb.Verification:
    """Begin the verification of a lens anew; raises NotFound or WrongState.

    The caller holds the subscription's lock.
    """
    ensure_live(subscription, now, reason=NOT_ALLOWED)
    view = read_view(tx, subscription, now)
    item = find_prescribed_item(view, reference_uuid)
    if get_verification(item).state is State.DENIED:
        message = "This prescription was denied: put another one on file."
        raise WrongState(message, reason=NOT_ALLOWED)
    verify_by = compute_deadline(now, item.country, item.time_zone)
    asked = Verification(State.REQUESTED, None, now, verify_by)
    set_verification(tx, item.id, asked)
    return build_verification(asked, view.country_policy, now)


def find_prescribed_item(view: View, reference_uuid: str) -> Any:
    """Return a lens of the cart with a prescription; raises NotFound or WrongState."""
    for item in view.items:
        if item.reference_uuid == reference_uuid:
            if view.find_on_file(item) is None:
                message = "The item has no prescription on file."
                raise WrongState(message, reason=NOT_ALLOWED)
            return item
    raise NotFound("There is no such item in the cart.")


def compute_deadline(asked_at: datetime, country: str, time_zone: str) -> datetime:
    """Return until when a prescriber may answer; holidays are those all over the country."""
    calendar = country if is_calendar(country) else None
    return add_business_hours(asked_at, VERIFICATION_HOURS, time_zone, calendar)
