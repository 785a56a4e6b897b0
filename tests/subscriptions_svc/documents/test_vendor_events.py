"""Events of the vendor's newer list, and what is configurable about them."""

from typing import Any
from urllib.parse import parse_qsl

from protos.subscriptions_pb2 import UpdateCustomerInfoRequest
from tests.chassis.events.receiver import Receiver
from tests.serving import Served
from tests.subscriptions_svc.endpoint import NOON, WRITTEN, list_names, listen, load_form
from tests.subscriptions_svc.shop import (
    build_ending,
    confirm,
    create_activated,
    create_confirmed,
    get,
    pay,
    propose,
    solicit,
)


def test_a_debt_sends_an_event_and_so_does_its_end(
    subscriptions: Served, body: Any, mail: Any
) -> None:
    made = create_confirmed(subscriptions, body)
    with subscriptions.clock.at(NOON):
        for successful in (True, False, False, True, True):
            pay(subscriptions, made.id, successful=successful)
    forms = mail()
    assert list_names(forms) == [
        "subscriptions/created",
        "subscriptions/payment_status_changed",
        "subscriptions/payment_status_changed",
        "order/account_in_debt",
        "subscriptions/payment_status_changed",
        "order/account_up_to_date",
    ]
    event_id = dict(forms[3])["event_id"]
    told = load_form(made, "order/account_in_debt", event_id, ("updated_at", WRITTEN))
    assert forms[3] == told


def test_a_changed_customer_sends_an_event_that_says_nothing_of_them(
    subscriptions: Served, body: Any, mail: Any
) -> None:
    made = solicit(subscriptions, body)
    request = UpdateCustomerInfoRequest(subscription_id=made.id, surnames="Gil")
    with subscriptions.clock.at(NOON):
        for _ in range(2):  # the second changes nothing
            subscriptions.call("UpdateCustomerInfo", request)
    (got,) = mail()
    name, event_id = "subscriptions/customer_updated", dict(got)["event_id"]
    assert got == load_form(made, name, event_id, ("updated_at", WRITTEN))


def test_another_plan_sends_an_event_on_request_only(
    subscriptions: Served, body: Any, mail: Any, partner: Receiver
) -> None:
    made = create_activated(subscriptions, body, NOON)
    before = len(mail())
    listen(subscriptions, partner, events=["subscriptions/renting_plan_changed"])
    with subscriptions.clock.at(NOON):
        propose(subscriptions, made)
        confirm(subscriptions, made.id)
    (got,) = mail()[before:]
    event_id = dict(got)["event_id"]
    name = "subscriptions/renting_plan_changed"
    assert got == load_form(made, name, event_id, ("updated_at", WRITTEN))


def test_the_user_agent_is_the_endpoints_own(
    subscriptions: Served, body: Any, mail: Any, partner: Receiver
) -> None:
    solicited = create_confirmed(subscriptions, body)
    mail()
    vendors = "SeQura-Event/1.0 (www.sequra.es)"
    listen(subscriptions, partner, headers={"User-Agent": vendors})
    confirm(subscriptions, solicited.id)
    subscriptions.call("CancelSubscription", build_ending(get(subscriptions, solicited.id)))
    mail()
    assert [each.headers["user-agent"] for each in partner.received] == ["Optigate", vendors]
    sent = parse_qsl(partner.received[0].body.decode(), keep_blank_values=True)
    assert dict(sent)["order_ref_2"] == ""
