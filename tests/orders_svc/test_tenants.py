"""Every RPC and every route of orders, called by those who may not: nothing is found.

The RPCs come from the proto and the routes from the gateway's map of URLs: a new one stands in
neither table below, and fails here until it does.
"""

from collections.abc import Iterator
from typing import Any

import pytest
from flask.testing import FlaskClient
from grpc import RpcError, StatusCode

from chassis.errors import decode
from gateway import create_app
from protos import orders_pb2 as pb
from tests.gateway.front import DEAD, front
from tests.orders_svc.bodies import LAB, Body, example, request
from tests.orders_svc.test_get_order import made
from tests.serving import USERS, Served, basic

# Who asks, with what; the second user of the same client sees another lab only.
STRANGERS: dict[str, dict[str, str]] = {
    "another client": {"authorization": basic("other-client"), "user-email": USERS["other"]},
    "another client as our user": {
        "authorization": basic("other-client"),
        "user-email": USERS["client"],
    },
    "the second user": {
        "authorization": basic("demo-client"),
        "user-email": "second@example.com",
    },
    "staff": {"authorization": basic("demo-staff"), "user-email": USERS["client"]},
    "nobody": {"user-email": USERS["client"]},
    "a wrong secret": {
        "authorization": basic("demo-client", "wrong"),
        "user-email": USERS["client"],
    },
}
STYLE = {"style": "style_123"}
MATERIAL = {**STYLE, "material": "material_123"}
OURS: dict[str, dict[str, Any]] = {
    "OrderService": {
        "CreateToken": {"client_id": "demo-client", "client_secret": "wrong"},
        "ListLabs": {},
        "GetOrderSettings": LAB,
        "ListStyles": {**LAB, "lens_type": "single_vision"},
        "ListMaterials": {**LAB, **STYLE},
        "ListAddons": {**LAB, **MATERIAL},
        "CreateOrder": {},
        "ListOrders": LAB,
        "GetOrder": {"order_id": "ORDER"},
        "SubmitOrder": {"order_id": "ORDER"},
        "GetOrderOutline": {"order_id": "ORDER"},
        "GetOrderJob": {"order_id": "ORDER"},
    },
}
DESK: dict[str, dict[str, Any]] = {
    "LabDeskService": {
        "ListLabOrders": {"lab": "lab_123"},
        "GetLabOrder": {"order_id": "ORDER"},
        "GetLabOrderJob": {"order_id": "ORDER"},
        "UpdateOrder": {"order_id": "ORDER", "lab_status": "cancelled"},
    },
}
EVERY = OURS | DESK
RPCS = [(service, rpc) for service, rpcs in EVERY.items() for rpc in rpcs]
ROUTES: dict[tuple[str, str], str] = {
    ("POST", "/v1/oauth/token"): "",
    ("GET", "/v1/labs"): "",
    ("GET", "/v1/labs/<lab>/order_settings"): "account_number=1234567",
    ("GET", "/v1/catalogs/styles"): "LAB&lens_type=single_vision",
    ("GET", "/v1/catalogs/materials"): "LAB&style=style_123",
    ("GET", "/v1/catalogs/addons"): "LAB&style=style_123&material=material_123",
    ("POST", "/v1/orders"): "",
    ("GET", "/v1/orders"): "LAB",
    ("GET", "/v1/orders/<order_id>"): "",
    ("POST", "/v1/orders/<order_id>/submit"): "",
    ("GET", "/v1/orders/<order_id>/outline.svg"): "",
    ("GET", "/v1/orders/<order_id>/oma"): "",
}


def _may_not(service: str, stranger: str) -> bool:
    return stranger != "staff" or service not in DESK


REFUSED = {
    StatusCode.NOT_FOUND,
    StatusCode.PERMISSION_DENIED,
    StatusCode.UNAUTHENTICATED,
    StatusCode.INVALID_ARGUMENT,  # of CreateOrder: the lab
}


@pytest.fixture(scope="module")
def draft(orders: Served) -> str:
    """The id of a draft of the optician, for lab_123."""
    return made(orders, {**example(), "mode": "draft"})


@pytest.fixture(scope="module")
def alone(orders: Served) -> Iterator[FlaskClient]:
    """A client of a gateway that knows the orders service only."""
    with front(orders=orders.address) as client:
        yield client


def shows_nothing(said: str, draft: str) -> bool:
    """Whether an answer has nothing of our lab, its catalog or our order."""
    ours = (draft, "lab_123", "Acme", "style_", "material_", "color_", "Ada", "Metal")
    return not any(each in said for each in ours)


def test_every_rpc_is_walked() -> None:
    services = pb.DESCRIPTOR.services_by_name
    every = [(name, each.name) for name in services for each in services[name].methods]
    assert sorted(RPCS) == sorted(each for each in every if each[0] != "DashboardService")


def test_every_route_is_walked() -> None:
    addresses = {f"{name}_ADDR": DEAD for name in ("SESSIONS", "ORDERS", "SUBSCRIPTIONS")}
    rules = create_app(addresses).url_map.iter_rules()
    every = {
        (method, rule.rule)
        for rule in rules
        if rule.rule.startswith("/v1/")
        for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}
    }
    assert ROUTES.keys() == every


@pytest.mark.parametrize(
    ("service", "rpc", "stranger"),
    [(*each, stranger) for each in RPCS for stranger in STRANGERS if _may_not(each[0], stranger)],
)
def test_a_stranger_finds_nothing_by_grpc(
    orders: Served, draft: str, service: str, rpc: str, stranger: str
) -> None:
    of = pb.DESCRIPTOR.services_by_name[service]
    kind = getattr(pb, of.methods_by_name[rpc].input_type.name)
    fields = EVERY[service][rpc]
    sent = {name: draft if value == "ORDER" else value for name, value in fields.items()}
    asked = request(example()) if rpc == "CreateOrder" else kind(**sent)
    call = orders.channel.unary_unary(
        f"/{of.full_name}/{rpc}",
        request_serializer=kind.SerializeToString,
        response_deserializer=getattr(pb, of.methods_by_name[rpc].output_type.name).FromString,
    )
    before = orders.rows()
    try:
        answer = call(asked, timeout=10, metadata=tuple(STRANGERS[stranger].items()))
    except RpcError as error:
        failure = decode(error)
        assert failure.code in REFUSED
        if failure.code is StatusCode.INVALID_ARGUMENT:
            assert [fault.path for fault in failure.faults] == ["lab"]
        assert shows_nothing(f"{failure.message} {failure.faults}", draft)
    else:
        assert rpc == "ListLabs"
        assert shows_nothing(str(answer), draft)
    assert orders.rows() == before


@pytest.mark.parametrize("stranger", STRANGERS)
@pytest.mark.parametrize(("method", "rule"), ROUTES)
def test_a_stranger_finds_nothing_by_http(
    alone: FlaskClient, orders: Served, draft: str, method: str, rule: str, stranger: str
) -> None:
    path = rule.replace("<lab>", "lab_123").replace("<order_id>", draft)
    query = ROUTES[method, rule].replace("LAB", "lab=lab_123&account_number=1234567")
    bodies: dict[str, Body] = {
        "/v1/orders": example(),
        "/v1/oauth/token": {"client_id": "demo-client", "client_secret": "wrong"},
    }
    before = orders.rows()
    answer = alone.open(
        path,
        method=method,
        query_string=query,
        json=bodies.get(rule, {}) if method == "POST" else None,
        headers=STRANGERS[stranger],
    )
    if answer.status_code == 200:
        assert rule == "/v1/labs"
    elif answer.status_code == 400:
        assert rule == "/v1/orders"
        assert answer.get_json()["error"]["param"] == "lab"
    else:
        assert answer.status_code in (401, 403, 404)
    assert shows_nothing(answer.get_data(as_text=True), draft)
    assert orders.rows() == before


def test_nobody_may_do_what_a_lab_does_but_staff(orders: Served, draft: str) -> None:
    orders.call("SubmitOrder", pb.SubmitOrderRequest(order_id=draft))
    for rpc, fields in DESK["LabDeskService"].items():
        kind = getattr(pb, f"{rpc}Request")
        asked = kind(**{k: draft if v == "ORDER" else v for k, v in fields.items()})
        failure = orders.refusal(rpc, asked, "client", desk=True)
        assert failure.code is StatusCode.PERMISSION_DENIED
        assert orders.call(rpc, asked, "staff", desk=True)
