"""What a test of payments begins with: a merchant that opens them, and perhaps a provider."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Any

from sqlalchemy import update

from chassis.payments.accounts import PaymentAccountSchema
from chassis.payments.calls import Caller
from chassis.payments.cashier import Cashier
from protos import subscriptions_pb2 as pb
from protos.subscriptions_pb2_grpc import ProviderServiceStub, ShopperServiceStub
from subscriptions_svc.actions.paying.receive_callback import record_outcome
from subscriptions_svc.store import tables
from subscriptions_svc.store.paying.payments import find_wrong_sums
from subscriptions_svc.store.paying.tables import accounts, charges
from tests.serving import Served
from tests.stripe_stub import Stub, build_event, sign

MERCHANT = "tienda_moderna"
SECRET = "whsec_of_tienda_moderna"  # nosec B105
Entry = tuple[str, int, str, str | None]


@contextmanager
def opened_monthly(served: Served, merchant_id: str = MERCHANT) -> Iterator[None]:
    """The merchant opens payments; afterwards it is as before, without a provider."""
    _set(served, merchant_id, opens=True)
    try:
        yield
    finally:
        _set(served, merchant_id, opens=False)
        with served.database.write() as tx:
            accounts.put(tx, merchant_id, None)


def _set(served: Served, merchant_id: str, *, opens: bool) -> None:
    is_it = tables.merchants.c.id == merchant_id
    with served.database.write() as tx:
        tx.execute(update(tables.merchants).where(is_it).values(monthly_payments=opens))


def connect(served: Served, stub: Stub, merchant_id: str = MERCHANT, secret: str = SECRET) -> None:
    """Load the merchant's account at a stand-in."""
    values = {
        "provider": "stripe",
        "api_url": stub.url,
        "secret_key": stub.secret_key,
        "callback_secrets": [secret],
    }
    with served.database.write() as tx:
        accounts.put(tx, merchant_id, PaymentAccountSchema().load(values))


def call_provider(served: Served, timeout: float = 5) -> None:
    """Make the calls that are due."""
    caller = Caller(private=True, timeout=timeout)
    cashier = Cashier(served.database, accounts, charges, record_outcome, caller, served.clock)
    while cashier.call_due():
        cashier.wait_until_idle()


def list_payments(served: Served, subscription_id: str, **filters: Any) -> list[pb.Payment]:
    """The payments of a subscription, by month."""
    request = pb.ListPaymentsRequest(subscription_id=subscription_id, **filters)
    return list(served.call("ListPayments", request, "staff", desk=True).data)


def settle(served: Served, payment: pb.Payment, **values: Any) -> pb.Payment:
    """Record what became of a payment; it was taken, unless the test says otherwise."""
    request = pb.SettlePaymentRequest(payment_id=payment.id, **{"successful": True, **values})
    answer: pb.Payment = served.call("SettlePayment", request, "staff", desk=True)
    return answer


def refund(served: Served, payment: pb.Payment, **values: Any) -> pb.Payment:
    """Refund a payment."""
    request = pb.RefundPaymentRequest(payment_id=payment.id, **values)
    answer: pb.Payment = served.call("RefundPayment", request, "staff", desk=True)
    return answer


def confirm_by_link(served: Served, made: pb.Subscription) -> pb.ShopperCart:
    """The shopper confirms on the page."""
    request = pb.ConfirmCartByCodeRequest(code=made.last_persisted_cart.code, terms_accepted=True)
    answer: pb.ShopperCart = ShopperServiceStub(served.channel).ConfirmCartByCode(
        request, timeout=20
    )
    return answer


def open_cart(served: Served, made: pb.Subscription) -> pb.ShopperCart:
    """The page behind the cart link."""
    request = pb.GetCartByCodeRequest(code=made.last_persisted_cart.code)
    answer: pb.ShopperCart = ShopperServiceStub(served.channel).GetCartByCode(request, timeout=20)
    return answer


def send_callback(
    served: Served,
    body: bytes,
    signature: str | None = None,
    merchant_id: str = MERCHANT,
    secret: str = SECRET,
) -> pb.ReceiveCallbackResponse:
    """A provider calls; its body is signed, unless the test signs it."""
    request = pb.ReceiveCallbackRequest(
        merchant_id=merchant_id,
        body=body,
        signature=sign(body, secret, served.clock().timestamp())
        if signature is None
        else signature,
    )
    stub = ProviderServiceStub(served.channel)
    answer: pb.ReceiveCallbackResponse = stub.ReceiveCallback(request, timeout=20)
    return answer


def pay_page(stub: Stub, payment: pb.Payment) -> bytes:
    """The shopper pays on the newest page of a payment; returns the callback."""
    newest = max(stub.sessions.values(), key=lambda each: int(each["id"].rpartition("_")[2]))
    assert newest["url"] == payment.page_url
    return stub.pay(newest["client_reference_id"])


def report_refund(stub: Stub, status: str) -> bytes:
    """The callback about the newest refund."""
    newest = max(stub.refunds.values(), key=lambda each: int(each["id"].rpartition("_")[2]))
    return build_event("refund.updated", {**newest, "status": status})


def read_ledger(served: Served, payment: pb.Payment) -> list[Entry]:
    """The entries of a payment: kind, amount, method and reference."""
    rows = served.rows()["payment_entries"]
    return [(row[3], row[4], row[5], row[6]) for row in sorted(rows) if row[1] == payment.id]


def ensure_sums(served: Served) -> None:
    """Fail unless every payment is the sum of its ledger."""
    with served.database.read() as tx:
        assert find_wrong_sums(tx) == []


def advance(served: Served, moment: datetime) -> None:
    """What time does by a moment."""
    from subscriptions_svc.actions.advance_by_time import advance_by_time

    advance_by_time(served.database, moment)
