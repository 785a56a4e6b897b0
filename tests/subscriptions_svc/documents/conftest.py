"""A merchant's endpoint for the tests of events."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.chassis.events.receiver import Receiver, run_receiver
from tests.event_schemas import read_form
from tests.serving import Served
from tests.subscriptions_svc.endpoint import MERCHANT, deliver, listen, load


@pytest.fixture
def partner() -> Iterator[Receiver]:
    """A merchant's endpoint."""
    with run_receiver() as receiver:
        yield receiver


@pytest.fixture
def mail(subscriptions: Served, partner: Receiver) -> Iterator[Callable[[], list[Any]]]:
    """Deliver what is due to the endpoint, and return the forms that it has received."""
    listen(subscriptions, partner)

    def forms() -> list[Any]:
        deliver(subscriptions)
        return [read_form(each.body) for each in partner.received]

    yield forms
    load(subscriptions.database, MERCHANT)
