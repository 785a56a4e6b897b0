"""Prescriptions of contact lenses as shops see them, and what they hinder."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from chassis.errors import Invalid
from protos import subscriptions_pb2 as pb
from subscriptions_svc.documents.money import to_timestamp
from subscriptions_svc.rules.prescriptions.policies import CountryPolicy, Hindrance, OnFile
from subscriptions_svc.rules.prescriptions.policies import VerifyMode as Mode
from subscriptions_svc.rules.prescriptions.schemas import POWERS
from subscriptions_svc.rules.prescriptions.verification import Verification
from subscriptions_svc.store.views import View

PRESCRIPTION = "PRESCRIPTION"  # reason of a refusal


def build_prescription(view: View, row: Any, on_file: OnFile) -> pb.Prescription:
    """Return the prescription of an item as it stands now; one that was erased has no powers."""
    details = row.details or {}
    return pb.Prescription(
        **{name: details[name] for name in POWERS if name in details},
        issue_date=row.issued_on.isoformat(),
        expiration_date=row.expires_on.isoformat(),
        expiration_is_derived=row.is_derived,
        is_expired=on_file.has_expired(view.now),
        prescriber=pb.Prescriber(
            name=details.get("prescriber"), country=row.country, time_zone=row.time_zone
        ),
        verification=build_verification(on_file.verification, view.country_policy, view.now),
    )


def build_verification(
    verification: Verification, country: CountryPolicy, now: datetime
) -> pb.Verification:
    """Return a verification as it stands now."""
    found = verification.at(now, is_passive=country.verify_mode is Mode.PASSIVE)
    return pb.Verification(
        state=found.state,
        reason=found.reason,
        requested_at=to_timestamp(found.requested_at),
        verify_by=to_timestamp(found.verify_by),
        decided_at=to_timestamp(found.decided_at),
    )


def build_prescription_faults(
    found: Iterable[tuple[str, Hindrance]],
) -> list[pb.PrescriptionFault]:
    """Return what was found about lenses, by their reference_uuid."""
    return [
        pb.PrescriptionFault(
            cart_item_reference_uuid=uuid,
            code=each.code,
            title=each.title,
            expiration_date=each.expires_on.isoformat() if each.expires_on else None,
            verify_by=to_timestamp(each.verify_by),
            reason=each.reason,
        )
        for uuid, each in found
    ]


def build_prescription_refusal(found: Iterable[tuple[str, Hindrance]]) -> Invalid:
    """Return the error of boxes whose prescriptions keep them back."""
    detail = pb.PrescriptionRefusal(items=build_prescription_faults(found))
    return Invalid(detail.items[0].title, reason=PRESCRIPTION, detail=detail)
