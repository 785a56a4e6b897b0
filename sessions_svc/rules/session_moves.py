"""Schemas of the desk's requests about one session."""

from collections.abc import Mapping
from typing import Any

from marshmallow import Schema, ValidationError, validates_schema
from marshmallow.fields import List, Nested, String

from optics.fields import filled, one_of
from sessions_svc.rules.acuity import EyeHealthSchema, VisualAcuitySchema, require_results
from sessions_svc.rules.fields import KEY, limit_items, refuse_duplicates
from sessions_svc.rules.prescriptions import DispensedPrescriptionSchema, check_assets_size
from sessions_svc.rules.products import MAX_REFERENCE_CHARACTERS, PRESCRIPTION_PRODUCTS
from sessions_svc.rules.statuses import SUBMIT_EXAM_STATUSES, Status

REQUIREMENTS = ("glasses_prior", "contacts_prior", "pupillary_distance", "id_verification")


class SessionMoveSchema(Schema):
    """A desk request that names a session and nothing else."""

    partner = String(required=True)
    session_key = String(required=True, validate=KEY)


class RequestConfirmationSchema(SessionMoveSchema):
    """A RequestConfirmationRequest."""

    missing_requirements = List(
        String(validate=one_of(*REQUIREMENTS)),
        required=True,
        pre_load=limit_items,
        validate=refuse_duplicates,
    )


class ChooseProductSchema(SessionMoveSchema):
    """A ChooseProductRequest."""

    product = String(required=True, validate=one_of(*PRESCRIPTION_PRODUCTS))


class PaymentSchema(SessionMoveSchema):
    """A RecordPaymentRequest or a RefundPaymentRequest."""

    reference = String(validate=filled(MAX_REFERENCE_CHARACTERS))


class SubmitExamSchema(SessionMoveSchema):
    """A SubmitExamRequest."""

    status = String(required=True, validate=one_of(*SUBMIT_EXAM_STATUSES))
    missing_requirements = List(
        String(validate=one_of(*REQUIREMENTS)),
        pre_load=limit_items,
        validate=refuse_duplicates,
    )

    @validates_schema(skip_on_field_errors=True)
    def check_missing_requirements(self, data: dict[str, Any], **_: Any) -> None:
        """Require missing_requirements with awaiting_confirmation, and only there."""
        awaits = data["status"] == Status.AWAITING_CONFIRMATION
        if awaits == ("missing_requirements" in data):
            return
        message = "Required with" if awaits else "Allowed only with"
        faults = {"missing_requirements": [f"{message} awaiting_confirmation."]}
        raise ValidationError(faults)


class ApproveSchema(SessionMoveSchema):
    """An ApproveRequest."""

    dispensed_prescriptions = List(
        Nested(DispensedPrescriptionSchema),
        required=True,
        pre_load=limit_items,
        validate=check_assets_size,
    )


class CompleteAcuitySchema(SessionMoveSchema):
    """A CompleteAcuityRequest."""

    visual_acuity = Nested(VisualAcuitySchema)
    eye_health = Nested(EyeHealthSchema)

    @validates_schema(pass_original=True, skip_on_field_errors=False)
    def check_results(self, _: dict[str, Any], sent: Mapping[str, Any], **__: Any) -> None:
        """Require results, unless the person is referred."""
        require_results(sent)


SESSION_MOVE = SessionMoveSchema()
CHOOSE_PRODUCT = ChooseProductSchema()
PAYMENT = PaymentSchema()
REQUEST_CONFIRMATION = RequestConfirmationSchema()
SUBMIT_EXAM = SubmitExamSchema()
APPROVE = ApproveSchema()
COMPLETE_ACUITY = CompleteAcuitySchema()
