"""SendEmail: sends the link of the waiting cart to the shopper by e-mail."""

from datetime import datetime

from sqlalchemy import Connection

from chassis.notices.messages import EMAIL
from protos import subscriptions_pb2 as pb
from subscriptions_svc.notices.cart_links import queue_cart_link


def send_email(
    tx: Connection, subscription_id: str, public_url: str, now: datetime
) -> pb.SendEmailResponse:
    """Queue an e-mail; raises Invalid whenever it is not allowed."""
    message = queue_cart_link(tx, subscription_id, EMAIL, public_url, now)
    return pb.SendEmailResponse(message=message)
