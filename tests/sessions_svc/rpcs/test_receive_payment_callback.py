"""ReceivePaymentCallback: a signed callback releases the result, once, on both engines."""

from collections.abc import Iterator

import grpc
import pytest
from grpc import StatusCode

from tests.serving import Served, decode
from tests.sessions_svc.desk import configure
from tests.sessions_svc.links import RESULTS, call_door
from tests.sessions_svc.payments import PRICES, SECRET, Shop
from tests.stripe_stub import Stub, build_event, run_stub, sign


@pytest.fixture
def stub() -> Iterator[Stub]:
    """The stand-in for a provider."""
    with run_stub() as running:
        yield running


def reach_checkout(sessions: Served, unique: str, stub: Stub, product: str) -> tuple[Shop, bytes]:
    """Bring a session to its page, and return the callback that pays it."""
    shop = Shop(sessions, unique, stub)
    shop.create("s", product)
    token = shop.enter()
    if product == "acuity-service":
        call_door(sessions, "CompleteExam", exam_token=token, visual_acuity=RESULTS)
    else:
        shop.move("SubmitExam", status="awaiting_checkout")
    shop.ask(token)
    shop.call_provider()
    return shop, stub.pay(shop.list_charges()[0].id)


@pytest.mark.parametrize(
    ("product", "status"),
    [("acuity-service", "completed"), ("glasses", "awaiting_review")],
)
def test_it_works(sessions: Served, unique: str, stub: Stub, product: str, status: str) -> None:
    shop, paid = reach_checkout(sessions, unique, stub, product)
    for _ in range(2):
        shop.receive(paid, sign(paid, SECRET))
        assert shop.get().status == status
    assert shop.get().HasField("paid_at")
    assert [each.state for each in shop.list_charges()] == ["taken"]
    assert shop.list_charges("refund") == []


def test_what_is_not_signed_for_the_partner_changes_nothing(
    sessions: Served, unique: str, stub: Stub
) -> None:
    shop, paid = reach_checkout(sessions, unique, stub, "glasses")
    other = Shop(sessions, f"o-{unique}", stub)
    nobody = Shop(sessions, f"n-{unique}")
    before = sessions.rows()
    for who, body, signature in (
        (shop, paid, sign(paid, "whsec_of_another")),
        (shop, paid, ""),
        (shop, paid + b" ", sign(paid, SECRET)),
        (shop, paid, sign(paid, SECRET, 1)),
        (nobody, paid, sign(paid, SECRET)),
        (shop, b"x" * (256 * 1024 + 1), "t=1,v1=00"),
    ):
        with pytest.raises(grpc.RpcError) as refused:
            who.receive(body, signature)
        assert decode(refused.value).code is StatusCode.INVALID_ARGUMENT
    other.receive(paid, sign(paid, SECRET))  # signed with the same secret, about nothing of its own
    shop.name = "a\0"
    with pytest.raises(grpc.RpcError):
        shop.receive(paid, sign(paid, SECRET))
    assert sessions.rows() == before


def test_an_expired_page_can_be_asked_for_again(sessions: Served, unique: str, stub: Stub) -> None:
    shop, _ = reach_checkout(sessions, unique, stub, "glasses")
    (charge,) = shop.list_charges()
    expired = build_event("checkout.session.expired", stub.sessions[charge.id])
    shop.receive(expired, sign(expired, SECRET))
    assert shop.get().status == "awaiting_checkout"
    token = shop.enter()
    assert call_door(sessions, "GetExam", exam_token=token).payment == "page"
    assert shop.ask(token).payment == "preparing"


def test_money_for_what_is_paid_goes_back(sessions: Served, unique: str, stub: Stub) -> None:
    shop, paid = reach_checkout(sessions, unique, stub, "glasses")
    shop.move("RecordPayment")
    shop.receive(paid, sign(paid, SECRET))
    shop.call_provider()
    (refund,) = shop.list_charges("refund")
    assert (refund.amount, refund.state) == (3500, "refunded")
    assert shop.get().status == "awaiting_review"


def test_a_partner_without_a_provider_any_more_is_refused(
    sessions: Served, unique: str, stub: Stub
) -> None:
    shop, paid = reach_checkout(sessions, unique, stub, "glasses")
    configure(sessions, unique, prices=PRICES)
    with pytest.raises(grpc.RpcError):
        shop.receive(paid, sign(paid, SECRET))
    assert shop.get().status == "awaiting_checkout"
    assert shop.move("RecordPayment").status == "awaiting_review"


def test_a_page_of_another_price_pays_nothing(sessions: Served, unique: str, stub: Stub) -> None:
    shop = Shop(sessions, unique, stub)
    shop.create("s")
    token = call_door(
        sessions, "EnterExam", **shop.link(), visit="v" * 22, product="glasses"
    ).exam_token
    shop.move("SubmitExam", status="awaiting_checkout")
    shop.ask(token)
    shop.call_provider()
    paid = stub.pay(shop.list_charges()[0].id)
    shop.move("ChooseProduct", product="contacts")
    exam = call_door(sessions, "GetExam", exam_token=token)
    assert (exam.price.amount, exam.payment) == (4000, "page")
    shop.receive(paid, sign(paid, SECRET))
    shop.call_provider()
    assert shop.get().status == "awaiting_checkout"
    assert [(each.amount, each.state) for each in shop.list_charges("refund")] == [
        (3500, "refunded")
    ]
    shop.ask(token)
    shop.call_provider()
    (page,) = (each for each in shop.list_charges() if each.state == "open")
    again = stub.pay(page.id)
    shop.receive(again, sign(again, SECRET))
    assert (page.amount, shop.get().status) == (4000, "awaiting_review")
