"""Rules of requests that hold a FHIR document."""

from typing import Any

from marshmallow import Schema, fields, post_load

from optics.fhir import parse_json
from optics.fhir_read import read_order_rx


class ReadOrderRxRequestSchema(Schema):
    """A VisionPrescription as text; loaded as an `rx` and what it does not carry."""

    document = fields.String(required=True)

    @post_load
    def _read(self, values: dict[str, Any], **_: Any) -> dict[str, Any]:
        reading = read_order_rx(parse_json(values["document"]))
        return {"rx": reading.value, "not_carried": reading.not_carried}


READ_ORDER_RX_REQUEST = ReadOrderRxRequestSchema()
