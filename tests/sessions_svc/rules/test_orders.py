"""The rules of sessions: orders and charges."""

import pytest

from sessions_svc.rules import codes
from tests.sessions_svc.bodies import Values, build_session, find_faults, load_session


@pytest.mark.parametrize("currency", ["USD", "EUR", "JPY", "XOF", "ZWG"])
def test_an_active_currency_is_accepted(currency: str) -> None:
    assert currency in codes.CURRENCIES
    assert (
        find_faults(build_session(order={"charged_currency": currency, "charged_amount": 1})) == {}
    )


@pytest.mark.parametrize("currency", ["usd", "US", "USDD", "ABC", "DEM", "BGN", "XAU", "XXX"])
def test_another_currency_is_refused(currency: str) -> None:
    message = "Must be an ISO 4217 code in capitals, such as USD."
    body = build_session(order={"charged_currency": currency, "charged_amount": 1})
    assert find_faults(body) == {"order.charged_currency": [message]}


@pytest.mark.parametrize("order", [{}, {"charged_currency": "USD"}, {"products": []}])
def test_an_order_without_an_amount_is_accepted(order: Values) -> None:
    assert load_session(order=order)["order"] == order


@pytest.mark.parametrize("amount", [0, 1, 6000, 2**63 - 1])
def test_an_amount_is_loaded_unchanged(amount: int) -> None:
    order = {"charged_currency": "USD", "charged_amount": amount}
    assert load_session(order=order)["order"] == order


@pytest.mark.parametrize("amount", [0, 6000])
def test_an_amount_needs_a_currency(amount: int) -> None:
    expected = {"order.charged_currency": ["Required with charged_amount."]}
    assert find_faults(build_session(order={"charged_amount": amount})) == expected


def test_an_amount_below_zero_is_refused() -> None:
    expected = {"order.charged_amount": ["Must be 0 or more, in the smallest currency unit."]}
    assert (
        find_faults(build_session(order={"charged_currency": "USD", "charged_amount": -1}))
        == expected
    )


@pytest.mark.parametrize(
    ("kinds", "refused"),
    [
        (["glasses"], []),
        (["contacts"], []),
        (["contacts", "glasses"], []),
        (["acuity-service"], []),
        (["acuity-service", "acuity-service"], []),
        (["acuity-service", "glasses"], [0]),
        (["contacts", "acuity-service"], [1]),
        (["acuity-service", "contacts", "glasses", "acuity-service"], [0, 3]),
    ],
)
def test_the_acuity_service_cannot_be_combined(kinds: list[str], refused: list[int]) -> None:
    message = ["acuity-service cannot be ordered with glasses or contacts."]
    body = build_session(order={"products": [{"type": kind} for kind in kinds]})
    assert find_faults(body) == {f"order.products.{index}.type": message for index in refused}
