"""Rules of bearer tokens."""

from datetime import timedelta

from marshmallow import Schema, fields

from optics.fields import check_not_blank

TOKEN_LIFETIME = timedelta(hours=24)


class CreateTokenRequestSchema(Schema):
    """Client credentials."""

    client_id = fields.String(required=True, validate=check_not_blank)
    client_secret = fields.String(required=True, validate=check_not_blank)


CREATE_TOKEN_REQUEST = CreateTokenRequestSchema()
