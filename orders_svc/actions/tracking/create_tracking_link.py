"""CreateTrackingLink: the link of the page on which a patient follows their order."""

from datetime import datetime

from sqlalchemy import Connection

from chassis.context import Account
from chassis.errors import Fault, Invalid
from orders_svc.actions.submit_order import ensure_submitted
from orders_svc.notices.tracking import build_tracking_url, queue_tracking_mail
from orders_svc.store.orders import get_order
from orders_svc.store.tracking import MAX_MESSAGES, put_tracking_code

NOT_SENT = (
    f"Must be false: there is no e-mail address, or the patient has had {MAX_MESSAGES} mails."
)


def create_tracking_link(
    tx: Connection,
    account: Account,
    user_id: int,
    order_id: str,
    public_url: str,
    now: datetime,
    *,
    send: bool,
) -> str:
    """Return the link, and queue an e-mail with it if `send`.

    Raises NotFound, WrongState for a draft, and Invalid when the e-mail cannot be sent.
    """
    row = get_order(tx, account, user_id, order_id)
    ensure_submitted(row)
    link = build_tracking_url(put_tracking_code(tx, order_id), public_url)
    if send and not queue_tracking_mail(tx, row.document, row.lab_status, order_id, link, now):
        raise Invalid("The link cannot be sent.", faults=[Fault("send", NOT_SENT)])
    return link
