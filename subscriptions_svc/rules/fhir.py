"""Rules of requests that hold a FHIR document."""

from typing import Any

from marshmallow import Schema, post_load
from marshmallow.fields import String

from optics.fhir import parse_json
from optics.fhir_read import read_cart_items


class ReadCartItemsSchema(Schema):
    """A VisionPrescription as text; loaded as cart items and what they do not carry."""

    document = String(required=True)

    @post_load
    def _read(self, values: dict[str, Any], **_: Any) -> dict[str, Any]:
        reading = read_cart_items(parse_json(values["document"]))
        return {"items": reading.value, "not_carried": reading.not_carried}


READ_CART_ITEMS = ReadCartItemsSchema()
