"""Every route of the subscriptions API, called without permission, on both engines.

The routes are taken from the application's URL map: one that this walk does not know fails it.
"""

from typing import Any, NamedTuple

import pytest
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from tests.gateway.subscription_calls import OTHER_MERCHANT, SHOP, STAFF, read_refusal
from tests.serving import Served, build_basic
from tests.subscriptions_svc.bodies import build_material
from tests.subscriptions_svc.shop import OTHER_STORE, UNKNOWN, create_confirmed, list_lenses

PREFIX = "/api/public/v1"
UNAUTHORIZED = {"errors": [{"code": "unauthorized", "title": "Unauthorized"}]}
SHOPPER = {"nin": "12345678Z", "date_of_birth": "2000-12-20"}
REFERENCE = {"reference": OTHER_STORE["id"], "store_ref": OTHER_STORE["store_ref"]}
# Routes whose body names a merchant, with a body that names another account's.
BODIES: dict[str, Any] = {
    "create_subscription": {
        "merchant": OTHER_STORE,
        "reference": "r",
        "cart_items": [build_material()],
    },
    "create_pre_approval": {"merchant": REFERENCE, "shopper": SHOPPER},
    "create_price_simulation": {"merchant_id": OTHER_STORE["id"], "cart_items": [build_material()]},
}
CALLER_ROUTES = {"who_am_i", "list_subscriptions", "read_cart_items"}
MESSAGES = {"send_email", "send_sms"}
SUBSCRIPTION_ROUTES = {
    "get_subscription",
    "create_box_deliveries",
    "activate_cart_item",
    "update_products",
    "cancel_subscription",
    "create_warranty_event",
    "list_deliveries",
    "update_customer_info",
    "change_graduation",
    "reset_sms_count",
    "extend_period",
    "record_box_outcome",
    *MESSAGES,
}


class Route(NamedTuple):
    """A method at a path of the API."""

    name: str
    method: str
    path: str

    def call(
        self, http: FlaskClient, headers: Any, id_: str = "", item: str = "", data: Any = None
    ) -> TestResponse:
        """Return its answer for a subscription and an item."""
        path = self.path.replace("<subscription_id>", id_).replace("<reference_uuid>", item)
        path = path.replace("<delivery_id>", "1")
        if self.method == "GET":
            return http.get(path if data is None else f"{path}?page=x&surplus=1", headers=headers)
        sent: Any = {"json": BODIES.get(self.name, {})} if data is None else {"data": data}
        return http.open(path, method=self.method, headers=headers, **sent)


@pytest.fixture
def routes(http: FlaskClient) -> list[Route]:
    """Every route of the API."""
    return [
        Route(rule.endpoint.removeprefix("subscriptions."), method, rule.rule)
        for rule in http.application.url_map.iter_rules()
        for method in sorted((rule.methods or set()) - {"HEAD", "OPTIONS"})
        if rule.rule.startswith(PREFIX + "/")
    ]


@pytest.fixture
def others(subscriptions: Served, body: Any) -> tuple[str, str]:
    """A confirmed subscription of another account's merchant, and one of its items."""
    made = create_confirmed(subscriptions, body, "other", merchant=OTHER_STORE)
    return made.id, list_lenses(made)[0].reference_uuid


def test_the_walk_covers_every_route(routes: list[Route]) -> None:
    assert {route.name for route in routes} == SUBSCRIPTION_ROUTES | CALLER_ROUTES | BODIES.keys()
    for route in routes:
        assert ("<subscription_id>" in route.path) is (route.name in SUBSCRIPTION_ROUTES)


def test_another_accounts_things_are_unauthorized_whatever_is_asked(
    http: FlaskClient, subscriptions: Served, routes: list[Route], others: tuple[str, str]
) -> None:
    before = subscriptions.rows()
    for route in routes:
        if route.name in CALLER_ROUTES:
            continue
        for data in (None, "{", "[]", '{"surplus": 1}') if "<" in route.path else (None,):
            answer = route.call(http, SHOP, *others, data=data)
            assert (route.name, read_refusal(answer, 401)) == (route.name, UNAUTHORIZED)
    assert subscriptions.rows() == before


def test_callers_other_than_shops_are_unauthorized_before_anything_else(
    http: FlaskClient, subscriptions: Served, routes: list[Route], others: tuple[str, str]
) -> None:
    nobody: list[Any] = [
        {},
        {"Authorization": "Basic"},
        {"Authorization": "Bearer x"},
        {"Authorization": build_basic("demo-merchant", "wrong-secret")},
        {"Authorization": build_basic("nobody")},
        STAFF,
    ]
    before = subscriptions.rows()
    for route in routes:
        for headers in nobody:
            for where in (others, (UNKNOWN, UNKNOWN), ("x", "x")):
                for data in (None, "{"):
                    answer = route.call(http, headers, *where, data=data)
                    assert (route.name, read_refusal(answer, 401)) == (route.name, UNAUTHORIZED)
    assert subscriptions.rows() == before


def test_what_does_not_exist_is_not_found_before_its_shape_is_looked_at(
    http: FlaskClient, routes: list[Route]
) -> None:
    for route in routes:
        if route.name not in SUBSCRIPTION_ROUTES:
            continue
        for id_ in (UNKNOWN, "7", "%00", "%ff", "x" * 2000):
            for data in (None, "{", '{"surplus": 1}'):
                answer = route.call(http, SHOP, id_, UNKNOWN, data)
                status, code = 404, "not_found"
                if route.name in MESSAGES:  # a missing subscription is one of the faults there
                    status, code = (400, "malformed") if data else (422, "invalid")
                assert answer.status_code == status, (route, id_, data, answer.get_data())
                assert {each["code"] for each in answer.get_json()["errors"]} == {code}


def test_the_owner_is_let_in(
    http: FlaskClient, routes: list[Route], others: tuple[str, str]
) -> None:
    """Proves that the refusals above are about the owner."""
    for route in routes:
        answer = route.call(http, OTHER_MERCHANT, *others)
        assert answer.status_code not in (401, 403, 404, 500), (route, answer.get_data())


def test_lists_hold_the_callers_own_alone(
    http: FlaskClient, subscriptions: Served, others: tuple[str, str]
) -> None:
    for query in (
        "",
        f"?merchant_id={OTHER_STORE['id']}",
        f"?store_ref={OTHER_STORE['store_ref']}",
        f"?merchant_reference={OTHER_STORE['id']}",
        f"?store_id={OTHER_STORE['store_ref']}",
    ):
        listed = http.get(f"{PREFIX}/subscriptions{query}", headers=SHOP).get_json()["data"]
        assert others[0] not in [each["id"] for each in listed]
        if query:
            assert listed == []
