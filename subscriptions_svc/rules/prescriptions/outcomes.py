"""Outcomes of boxes: handed over, handed to a carrier, and what became of those."""

from marshmallow import Schema
from marshmallow.fields import String

from optics.fields import one_of
from subscriptions_svc.rules.shapes import FILLED_TEXT

DELIVERED, UNKNOWN, RETURNED = "delivered", "unknown", "returned"


class RecordBoxOutcomeSchema(Schema):
    """What became of boxes that were handed to a carrier."""

    subscription_id = String(required=True)
    delivery_id = String(required=True, validate=FILLED_TEXT)
    outcome = String(required=True, validate=one_of(DELIVERED, RETURNED))


RECORD_BOX_OUTCOME = RecordBoxOutcomeSchema()
