"""Rules of the dashboard: its requests, sessions, and limits of login attempts."""

from datetime import timedelta

from marshmallow import Schema, fields, validate

from optics.fields import filled, one_of
from orders_svc.rules.lab_status import LabStatus
from orders_svc.rules.lists import PageSchema

SESSION_LIFETIME = timedelta(hours=12)  # a working day
ATTEMPT_WINDOW = timedelta(minutes=15)
DEVICE_LIFETIME = timedelta(days=180)  # from the last login in it
MAX_DEVICES = 20  # of one user; the newest are kept
# Attempts within the window: for one user from one network address, which a whole shop may share;
# from a network address in all; and for one user on a device where they have logged in before.
MAX_ATTEMPTS = {"user": 10, "address": 50, "device": 10}


class LogInRequestSchema(Schema):
    """A login; hardly anything is refused here, so that no answer reveals which part is wrong."""

    email = fields.String(load_default="", validate=validate.Length(max=254))
    password = fields.String(load_default="", validate=validate.Length(max=255))
    address = fields.String(load_default="")
    replaces = fields.String(load_default="")
    device = fields.String(load_default="")


class SearchOrdersRequestSchema(PageSchema):
    """A page of a search."""

    text = fields.String(load_default="", validate=validate.Length(max=120))
    lab_status = fields.String(validate=one_of(*LabStatus))
    lab = fields.String(validate=validate.Length(max=64))
    person_ref = fields.String(validate=filled(64))


LOG_IN_REQUEST = LogInRequestSchema()
SEARCH_ORDERS_REQUEST = SearchOrdersRequestSchema()
