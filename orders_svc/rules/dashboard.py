"""Rules of the dashboard: its requests, sessions, and limits of login attempts."""

from datetime import timedelta

from marshmallow import Schema, fields, validate

from orders_svc.rules.lists import PageSchema

SESSION_LIFETIME = timedelta(hours=12)  # a working day
ATTEMPT_WINDOW = timedelta(minutes=15)
# Attempts within the window, per e-mail address and per network address; a whole shop may share
# one network address.
MAX_ATTEMPTS = {"email": 10, "address": 50}


class LogInRequestSchema(Schema):
    """A login; hardly anything is refused here, so that no answer reveals which part is wrong."""

    email = fields.String(load_default="", validate=validate.Length(max=254))
    password = fields.String(load_default="", validate=validate.Length(max=255))
    address = fields.String(load_default="")
    replaces = fields.String(load_default="")


class SearchOrdersRequestSchema(PageSchema):
    """A page of a search."""

    text = fields.String(load_default="", validate=validate.Length(max=120))


LOG_IN_REQUEST = LogInRequestSchema()
SEARCH_ORDERS_REQUEST = SearchOrdersRequestSchema()
