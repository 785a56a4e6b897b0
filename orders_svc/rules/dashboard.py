"""What the dashboard may be asked, and how often one may try to log in: pure, without a store."""

from datetime import timedelta

from marshmallow import Schema, fields, validate

from orders_svc.rules.lists import PageSchema

SESSION_LIFE = timedelta(hours=12)  # a working day
WINDOW = timedelta(minutes=15)
# Attempts within the window, by an address of e-mail and by one of the network, behind which a
# whole shop may stand.
ATTEMPTS = {"email": 10, "address": 50}


class LogInRequestSchema(Schema):
    """Who logs in; which of the two is wrong is told to nobody, so hardly anything is refused."""

    email = fields.String(load_default="", validate=validate.Length(max=254))
    password = fields.String(load_default="", validate=validate.Length(max=255))
    address = fields.String(load_default="")
    replaces = fields.String(load_default="")


class SearchOrdersRequestSchema(PageSchema):
    """Which orders."""

    text = fields.String(load_default="", validate=validate.Length(max=120))


LOG_IN_REQUEST = LogInRequestSchema()
SEARCH_ORDERS_REQUEST = SearchOrdersRequestSchema()
