"""Fields that have no meaning for a type are named once, in the proto."""

from chassis.messages.options import find_foreign_fields
from protos.orders_pb2 import Order
from protos.sessions_pb2 import CreateSessionRequest, Session
from protos.subscriptions_pb2 import Subscription

GLASSES = {"base_curve", "diameter", "dominance"}
CONTACTS = {"pupillary_distance"}


def test_it_works() -> None:
    dispensed = {"product_keys", "brand_label", "model_label"}
    assert find_foreign_fields(Session) == {"glasses": GLASSES | dispensed, "contacts": CONTACTS}


def test_the_fields_are_those_within_the_message() -> None:
    held = {"glasses": GLASSES | {"product_key"}, "contacts": CONTACTS}
    assert find_foreign_fields(CreateSessionRequest) == held


def test_a_message_that_holds_its_own_type_is_walked_once() -> None:
    assert find_foreign_fields(Subscription) == {}


def test_a_message_without_the_option_has_no_foreign_fields() -> None:
    assert find_foreign_fields(Order) == {}
