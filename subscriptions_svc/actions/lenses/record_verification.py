"""RecordVerification: records what the verification of a prescription has come to."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row

from protos import subscriptions_pb2 as pb
from subscriptions_svc.actions.lenses.request_verification import find_prescribed_item
from subscriptions_svc.documents.prescriptions import build_verification
from subscriptions_svc.rules.prescriptions.verification import OUTCOMES
from subscriptions_svc.store.lenses.prescriptions import get_verification, set_verification
from subscriptions_svc.store.views import read_view


def record_verification(
    tx: Connection, subscription: Row[Any], values: Mapping[str, Any], now: datetime
) -> pb.Verification:
    """Set the outcome, whatever was known before; raises NotFound or WrongState.

    The caller holds the subscription's lock.
    """
    view = read_view(tx, subscription, now)
    item = find_prescribed_item(view, values["reference_uuid"])
    outcome = values["outcome"]
    decided = get_verification(item)._replace(
        state=OUTCOMES[outcome], reason=outcome, decided_at=now
    )
    set_verification(tx, item.id, decided)
    return build_verification(decided, view.country_policy, now)
