"""The count of a waiting cart's SMS is reset, and only so often."""

from typing import Any

from protos.subscriptions_pb2 import ResetSmsCountRequest, Subscription
from tests.serving import Served
from tests.subscriptions_svc.links import list_message_actions, refuse_to_send, send
from tests.subscriptions_svc.shop import confirm, create_activated, get, propose, solicit
from tests.subscriptions_svc.shopper import NOON


def reset(served: Served, made: Subscription, **metadata: Any) -> Subscription:
    request = ResetSmsCountRequest(subscription_id=made.id)
    answer: Subscription = served.call("ResetSmsCount", request, **metadata)
    return answer


def is_refused(served: Served, made: Subscription) -> bool:
    assert not get(served, made.id).available_actions.reset_sms_count
    request = ResetSmsCountRequest(subscription_id=made.id)
    return served.refusal("ResetSmsCount", request).reason == "NOT_ALLOWED"


def test_each_reset_grants_the_sms_of_a_cart_again(subscriptions: Served, body: Any) -> None:
    made = solicit(subscriptions, body)
    assert is_refused(subscriptions, made)  # none was sent
    for turn in range(4):
        for _ in range(3):
            send(subscriptions, "SendSms", made.id)
        assert refuse_to_send(subscriptions, "SendSms", made.id)[0] == "INVALID"
        if turn < 3:
            assert get(subscriptions, made.id).available_actions.reset_sms_count
            answer = reset(subscriptions, made)
            assert answer == get(subscriptions, made.id)
            assert answer.available_actions.send_sms
            assert not answer.available_actions.resend_sms
    assert is_refused(subscriptions, made)


def test_mails_are_counted_as_before(subscriptions: Served, body: Any) -> None:
    made = solicit(subscriptions, body)
    send(subscriptions, "SendSms", made.id)
    confirm(subscriptions, made.id)
    assert is_refused(subscriptions, made)  # no cart waits
    made = create_activated(subscriptions, body, NOON)
    with subscriptions.clock.at(NOON):
        propose(subscriptions, made)
        for _ in range(5):
            send(subscriptions, "SendEmail", made.id)
        send(subscriptions, "SendSms", made.id)
        reset(subscriptions, made)
        assert refuse_to_send(subscriptions, "SendEmail", made.id)[0] == "INVALID"
        assert list_message_actions(subscriptions, made.id) == {"send_sms"}


def test_a_repeated_key_resets_once(subscriptions: Served, body: Any, unique: str) -> None:
    made = solicit(subscriptions, body)
    send(subscriptions, "SendSms", made.id)
    told = reset(subscriptions, made, idempotency_key=unique)
    send(subscriptions, "SendSms", made.id)
    assert reset(subscriptions, made, idempotency_key=unique) == told
    assert list_message_actions(subscriptions, made.id) == {"resend_sms"}
