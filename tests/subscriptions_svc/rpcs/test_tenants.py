"""Every RPC of the subscriptions service with another account's things, on both engines.

The RPCs are taken from the proto's descriptor: one that this walk does not know fails it.
"""

import json
from typing import Any

import pytest
from google.protobuf.message import Message
from grpc import StatusCode

from protos import subscriptions_pb2 as pb
from tests.optics.fhir_documents import contact, document
from tests.serving import Served, build_basic
from tests.subscriptions_svc.bodies import build_material
from tests.subscriptions_svc.shop import (
    OTHER_STORE,
    UNKNOWN,
    build_activation,
    build_cancellation,
    build_cart_update,
    build_delivery,
    build_ending,
    build_solicitation,
    create_confirmed,
    get,
    list_lenses,
    solicit,
)

SERVICES = {
    service.name: [method.name for method in service.methods]
    for service in pb.DESCRIPTOR.services_by_name.values()
}
CLIENT, DESK = SERVICES["SubscriptionService"], SERVICES["SubscriptionDeskService"]
# RPCs with a merchant in the request, and RPCs about the caller alone.
MERCHANT_RPCS = ("CreateSubscription", "CreatePreApproval", "CreatePriceSimulation")
CALLER_RPCS = ("ListSubscriptions", "ReadCartItems", "WhoAmI")
# These answer every refusal as invalid, even for what is not found.
MESSAGES = ("SendEmail", "SendSms")
# These name a person, or an event, and no subscription.
EVENT_RPCS = ("ExportPerson", "ErasePerson", "ListEvents", "ReplayEvent")
# These name a payment, a merchant or a file: each RPC's own tests look at what is not found.
PAYMENT_RPCS = ("ListPayments", "SettlePayment", "RefundPayment", "MovePayment", "RequestPayment")
OTHER_RPCS = (*EVENT_RPCS, *PAYMENT_RPCS, "ImportPayments", "ExportStatement")
SUBSCRIPTION_RPCS = [name for name in CLIENT if name not in MERCHANT_RPCS + CALLER_RPCS]


@pytest.fixture
def others(subscriptions: Served, body: Any) -> pb.Subscription:
    """A confirmed subscription of another account's merchant."""
    cart = body("subscription")["cart_items"]
    cart[0]["items"][0]["prescription"] = {"sphere": -2, "issue_date": "2026-01-10"}
    return create_confirmed(subscriptions, body, "other", merchant=OTHER_STORE, cart_items=cart)


def build_requests(body: Any, of: pb.Subscription) -> dict[str, Message]:
    """A request of each RPC that succeeds for its owner."""
    left = list_lenses(of)[0].reference_uuid
    shopper = pb.Shopper(nin="12345678Z", date_of_birth="2000-12-20")
    merchant = pb.PreApprovalMerchant(
        reference=OTHER_STORE["id"], store_ref=OTHER_STORE["store_ref"]
    )
    cart = build_solicitation(body).cart_items
    return {
        "CreateSubscription": build_solicitation(body, merchant=OTHER_STORE),
        "ListSubscriptions": pb.ListSubscriptionsRequest(),
        "GetSubscription": pb.GetSubscriptionRequest(subscription_id=of.id),
        "CreateBoxDeliveries": build_delivery(of.id, (left, 1)),
        "ActivateCartItem": build_activation(of.id, left),
        "UpdateProducts": build_cart_update(
            of.id, of.last_persisted_cart.cart_items[0].id, build_material()
        ),
        "CancelSubscription": build_cancellation(of.id),
        "CreateWarrantyEvent": pb.CreateWarrantyEventRequest(
            subscription_id=of.id, type="repair", charged_amount=1, product_id=left
        ),
        "UpdateCustomerInfo": pb.UpdateCustomerInfoRequest(subscription_id=of.id, city="Girona"),
        "ChangeGraduation": pb.ChangeGraduationRequest(
            subscription_id=of.id, reference_uuid=left, name="-2.25"
        ),
        "ResetSmsCount": pb.ResetSmsCountRequest(subscription_id=of.id),
        "ExtendPeriod": pb.ExtendPeriodRequest(subscription_id=of.id, months=1),
        "CreatePreApproval": pb.CreatePreApprovalRequest(merchant=merchant, shopper=shopper),
        "CreatePriceSimulation": pb.CreatePriceSimulationRequest(
            merchant_id=OTHER_STORE["id"], cart_items=cart
        ),
        "ListDeliveries": pb.ListDeliveriesRequest(subscription_id=of.id),
        "RecordBoxOutcome": pb.RecordBoxOutcomeRequest(
            subscription_id=of.id, delivery_id="1", outcome="returned"
        ),
        "RequestVerification": pb.RequestVerificationRequest(
            subscription_id=of.id, reference_uuid=left
        ),
        "RecordVerification": pb.RecordVerificationRequest(
            subscription_id=of.id, reference_uuid=left, outcome="confirmed"
        ),
        "SendEmail": pb.SendEmailRequest(subscription_id=of.id),
        "SendSms": pb.SendSmsRequest(subscription_id=of.id),
        "ReadCartItems": pb.ReadCartItemsRequest(document=json.dumps(document(contact()))),
        "WhoAmI": pb.WhoAmIRequest(),
        "ConfirmSubscription": pb.ConfirmSubscriptionRequest(subscription_id=of.id),
        "RecordPayment": pb.RecordPaymentRequest(subscription_id=of.id, successful=True),
        "ExportPerson": pb.ExportPersonRequest(email="nobody@example.com"),
        "ErasePerson": pb.ErasePersonRequest(email="nobody@example.com"),
        "ListEvents": pb.ListEventsRequest(),
        "ReplayEvent": pb.ReplayEventRequest(event_id="evt_unknown"),
        "ListPayments": pb.ListPaymentsRequest(),
        "SettlePayment": pb.SettlePaymentRequest(payment_id=UNKNOWN, successful=True),
        "RefundPayment": pb.RefundPaymentRequest(payment_id=UNKNOWN),
        "MovePayment": pb.MovePaymentRequest(payment_id=UNKNOWN, due_on="2030-01-01"),
        "RequestPayment": pb.RequestPaymentRequest(payment_id=UNKNOWN),
        "ImportPayments": pb.ImportPaymentsRequest(),
        "ExportStatement": pb.ExportStatementRequest(merchant_id="otra_tienda", month="2026-01"),
    }


def keep_only_id(request: Message, id_: str) -> Message:
    """A request of the same type with an id and nothing else: its shape is wrong, if it can be."""
    return type(request)(subscription_id=id_)


def test_the_walk_knows_every_rpc(body: Any, others: pb.Subscription) -> None:
    served = {"SubscriptionService", "SubscriptionDeskService", "ShopperService"}
    assert SERVICES.keys() == served | {"ProviderService"}
    assert sorted(build_requests(body, others)) == sorted(CLIENT + DESK)


def test_another_accounts_things_are_unauthenticated_whatever_is_asked(
    subscriptions: Served, body: Any, others: pb.Subscription
) -> None:
    walk = build_requests(body, others)
    before = subscriptions.rows()
    for name in CLIENT:
        if name in CALLER_RPCS:
            continue
        asked = [walk[name]]
        if name in SUBSCRIPTION_RPCS:
            asked.append(keep_only_id(walk[name], others.id))
        for request in asked:
            failure = subscriptions.refusal(name, request)
            told = (name, failure.code, failure.reason)
            assert told == (name, StatusCode.UNAUTHENTICATED, "UNAUTHENTICATED")
            assert not failure.faults
    assert subscriptions.rows() == before


def test_lists_hold_the_callers_own_alone(
    subscriptions: Served, body: Any, others: pb.Subscription
) -> None:
    own = solicit(subscriptions, body)
    for request in (
        pb.ListSubscriptionsRequest(search=others.reference),
        pb.ListSubscriptionsRequest(merchant_id=OTHER_STORE["id"]),
        pb.ListSubscriptionsRequest(merchant_reference=OTHER_STORE["id"]),
        pb.ListSubscriptionsRequest(store_id=OTHER_STORE["store_ref"]),
    ):
        assert subscriptions.call("ListSubscriptions", request).meta.total_count == 0
    request = pb.ListSubscriptionsRequest(search=own.reference)
    assert [each.id for each in subscriptions.call("ListSubscriptions", request).data] == [own.id]


def test_the_owner_may_and_so_may_staff_at_the_desk(
    subscriptions: Served, body: Any, others: pb.Subscription
) -> None:
    """Proves that the refusals above are about ownership."""
    walk = build_requests(body, others)
    for name in ("GetSubscription", "ListDeliveries", "CreateBoxDeliveries", "ActivateCartItem"):
        subscriptions.call(name, walk[name], "other")
    for name in ("UpdateCustomerInfo", "ChangeGraduation"):
        subscriptions.call(name, walk[name], "other")
    for name in ("CreateSubscription", "CreatePreApproval", "CreatePriceSimulation"):
        subscriptions.call(name, walk[name], "other")
    for name in DESK:
        if name not in OTHER_RPCS:
            subscriptions.call(name, walk[name], "staff", desk=True)
    ending = build_ending(get(subscriptions, others.id, "other"))
    subscriptions.call("CancelSubscription", ending, "other")


def test_what_does_not_exist_is_not_found_before_its_shape_is_looked_at(
    subscriptions: Served, body: Any, others: pb.Subscription
) -> None:
    walk = build_requests(body, others)
    for name in [name for name in SUBSCRIPTION_RPCS + DESK if name not in OTHER_RPCS]:
        for id_ in (UNKNOWN, "", "7", "\0", "x" * 3000):
            who, desk = ("staff", True) if name in DESK else ("client", False)
            failure = subscriptions.refusal(name, keep_only_id(walk[name], id_), who, desk=desk)
            expected = "INVALID" if name in MESSAGES else "NOT_FOUND"
            assert (name, failure.reason) == (name, expected)


def test_nobody_is_let_in_without_the_secret_of_an_account(
    subscriptions: Served, body: Any, others: pb.Subscription
) -> None:
    walk = build_requests(body, others)
    wrong = [
        {},
        {"authorization": "Basic"},
        {"authorization": build_basic("demo-merchant", "wrong")},
        {"authorization": build_basic("nobody")},
    ]
    before = subscriptions.rows()
    for name, request in walk.items():
        for metadata in wrong:
            for each in (request, type(request)()):
                failure = subscriptions.refusal(name, each, "", desk=name in DESK, **metadata)
                assert (name, failure.reason) == (name, "UNAUTHENTICATED")
    assert subscriptions.rows() == before


def test_each_role_has_its_services(
    subscriptions: Served, body: Any, others: pb.Subscription
) -> None:
    walk = build_requests(body, others)
    before = subscriptions.rows()
    for name in CLIENT:
        assert subscriptions.refusal(name, walk[name], "staff").reason == "FORBIDDEN"
    for name in DESK:
        for who in ("client", "other"):
            failure = subscriptions.refusal(name, walk[name], who, desk=True)
            assert (name, failure.reason) == (name, "FORBIDDEN")
    assert subscriptions.rows() == before


def test_the_code_of_a_cart_opens_this_cart_and_no_other(
    subscriptions: Served, body: Any, others: pb.Subscription
) -> None:
    """The shopper's calls have no account: an unguessed code is all, and it is one cart's."""
    own = solicit(subscriptions, body)
    assert own.last_persisted_cart.code != others.last_persisted_cart.code
    before = subscriptions.rows()
    for code in ("", "x", "\0", others.id, others.last_persisted_cart.id, "A" * 27):
        for name, request in (
            ("GetCartByCode", pb.GetCartByCodeRequest(code=code)),
            ("OpenCartByCode", pb.OpenCartByCodeRequest(code=code)),
            ("ConfirmCartByCode", pb.ConfirmCartByCodeRequest(code=code)),
        ):
            failure = subscriptions.refusal(name, request, "", kind="Shopper")
            assert failure.code in (StatusCode.NOT_FOUND, StatusCode.INVALID_ARGUMENT)
    assert subscriptions.rows() == before
