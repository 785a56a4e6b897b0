"""A shop that hands over boxes of contact lenses until, and beyond, the caps of their year."""

import json
import random
import threading
import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from protos.subscriptions_pb2 import ConfirmSubscriptionRequest
from protos.subscriptions_pb2_grpc import SubscriptionDeskServiceStub
from tests.chaos.campaign.desk import call_desk
from tests.chaos.campaign.ledger import Entry, Ledger
from tests.chaos.campaign.stage import Stage
from tests.chaos.product import ROOT, WRITES, Answer

if TYPE_CHECKING:
    from tests.chaos.campaign.load import Client

BOXES_A_YEAR = 5
OPEN_EYES = 6  # to which boxes are handed over at the same time
BEYOND_CHANCE = 0.1  # of a delivery to an eye that has had its boxes
PATH = WRITES["subscriptions"][0]


@dataclass
class Eye:
    """A contact lens of a subscription."""

    subscription: str
    uuid: str
    is_full: bool = False


class Shop:
    """Subscriptions and their eyes, shared by all writers."""

    def __init__(self, stage: Stage, ledger: Ledger) -> None:
        self.stage = stage
        self.ledger = ledger
        self.eyes: list[Eye] = []
        self.refused = 0  # deliveries beyond a cap
        self._lock = threading.Lock()

    def trade(self, client: "Client") -> None:
        """Hand over boxes, or open a subscription where too few eyes have any left."""
        with self._lock:
            room = [eye for eye in self.eyes if not eye.is_full]
            full = [eye for eye in self.eyes if eye.is_full]
        if full and random.random() < BEYOND_CHANCE:
            self.deliver(client, random.choice(full))
        elif len(room) < OPEN_EYES:
            self.subscribe(client)
        else:
            self.deliver(client, random.choice(room))

    def subscribe(self, client: "Client") -> None:
        """Create a subscription, confirm it for the shopper, and hand over its items."""
        key = uuid.uuid4().hex
        body = json.loads((ROOT / "demo/subscription.json").read_text()) | {"reference": key}
        for item in body["cart_items"][0]["items"]:
            item["box_count"] = BOXES_A_YEAR
        answer = client.write("subscriptions", "POST", PATH, body, key)
        assert answer.status == 201, answer
        made = answer.json()
        self.ledger.acknowledge(Entry("subscriptions", key, PATH, body, made, self.ledger.era))
        request = ConfirmSubscriptionRequest(subscription_id=made["id"])
        call_desk(
            self.ledger,
            self.stage.product.addresses["SUBSCRIPTIONS_LISTEN"],
            SubscriptionDeskServiceStub,
            "ConfirmSubscription",
            request,
            f"{key}-confirm",
        )
        eyes = [Eye(made["id"], each) for each in find_lenses(made)]
        for number, eye in enumerate(eyes):
            path = f"{PATH}/{made['id']}/cart_items/{eye.uuid}/activate"
            activated = client.write("subscriptions", "PATCH", path, None, f"{key}-{number}")
            assert activated.status == 200, activated
        with self._lock:
            self.eyes += eyes

    def deliver(self, client: "Client", eye: Eye) -> None:
        """Hand over a box or two."""
        key, path = uuid.uuid4().hex, f"{PATH}/{eye.subscription}/box_deliveries"
        quantity = random.choice((1, 1, 2))
        body = {"deliveries": [{"cart_item_reference_uuid": eye.uuid, "quantity": quantity}]}
        answer = client.write("subscriptions", "POST", path, body, key)
        if answer.status == 422:
            eye.is_full = count_remaining(answer) == 0
            self.refused += 1
            return
        assert answer.status == 200, answer
        eye.is_full = False
        entry = Entry("boxes", key, path, body, answer.json(), self.ledger.era)
        self.ledger.acknowledge(entry)


def find_lenses(made: Any) -> list[str]:
    """The reference_uuids of the contact lenses of a new subscription."""
    found = []
    stack = [made]
    while stack:
        each = stack.pop()
        if isinstance(each, dict):
            if each.get("type") == "contact_lens_subscription" and "reference_uuid" in each:
                found.append(each["reference_uuid"])
            stack += each.values()
        elif isinstance(each, list):
            stack += each
    return list(dict.fromkeys(found))


def count_remaining(answer: Answer) -> int:
    """The boxes that a refusal says remain."""
    (error,) = answer.json()["errors"]
    assert error["code"] == "over_delivery", answer
    remaining: int = error["remaining_boxes"]
    return remaining
