"""SendSms: sends the link of the waiting cart to the shopper by SMS."""

from datetime import datetime

from sqlalchemy import Connection

from chassis.notices.messages import SMS
from protos import subscriptions_pb2 as pb
from subscriptions_svc.notices.cart_links import queue_cart_link


def send_sms(
    tx: Connection, subscription_id: str, public_url: str, now: datetime
) -> pb.SendSmsResponse:
    """Queue an SMS; raises Invalid whenever it is not allowed."""
    message = queue_cart_link(tx, subscription_id, SMS, public_url, now)
    return pb.SendSmsResponse(message=message)
