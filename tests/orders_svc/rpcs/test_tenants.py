"""Every RPC and every route of orders, called by those who may not: nothing is found.

The RPCs come from the proto and the routes from the gateway's map of URLs: a new one stands in
none of the tables below, and fails here until it does.
"""

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest
from flask.testing import FlaskClient
from grpc import RpcError, StatusCode

from gateway import create_app
from protos import orders_pb2 as pb
from tests.gateway.front import DEAD, front
from tests.orders_svc.bodies import LAB, Body, example, request
from tests.orders_svc.rpcs.test_get_order import create_order
from tests.serving import USERS, Served, build_basic, decode

# Who asks, with what; the second user of the same client sees another lab only.
STRANGERS: dict[str, dict[str, str]] = {
    "another client": {"authorization": build_basic("other-client"), "user-email": USERS["other"]},
    "another client as our user": {
        "authorization": build_basic("other-client"),
        "user-email": USERS["client"],
    },
    "the second user": {
        "authorization": build_basic("demo-client"),
        "user-email": "second@example.com",
    },
    "staff": {"authorization": build_basic("demo-staff"), "user-email": USERS["client"]},
    "a session of another client": {"authorization": f"Session {USERS['other']}"},
    "a session of the second user": {"authorization": "Session second@example.com"},
    "nobody": {"user-email": USERS["client"]},
    "a wrong secret": {
        "authorization": build_basic("demo-client", "wrong"),
        "user-email": USERS["client"],
    },
}
STYLE = {"style": "style_123"}
MATERIAL = {**STYLE, "material": "material_123"}
DOCUMENT = (
    '{"resourceType":"VisionPrescription","status":"active","lensSpecification":'
    '[{"eye":"left","sphere":-1,"product":{"coding":[{"code":"lens"}]}}]}'
)
LENS = {**MATERIAL, "color": "color_123"}
OURS: dict[str, dict[str, Any]] = {
    "OrderService": {
        "CreateToken": {"client_id": "demo-client", "client_secret": "wrong"},
        "WhoAmI": {},
        "ListLabs": {},
        "GetOrderSettings": LAB,
        "ListStyles": {**LAB, "lens_type": "single_vision"},
        "ListMaterials": {**LAB, **STYLE},
        "ListAddons": {**LAB, **MATERIAL},
        "CreateOrder": {},
        "ListOrders": LAB,
        "GetOrder": {"order_id": "ORDER"},
        "ReplaceOrder": {"order_id": "ORDER", "order": request(example())},
        "DeleteOrder": {"order_id": "ORDER"},
        "SubmitOrder": {"order_id": "ORDER"},
        "CancelOrder": {"order_id": "ORDER"},
        "DuplicateOrder": {"order_id": "ORDER"},
        "MarkOrderReady": {"order_id": "ORDER"},
        "CreateTrackingLink": {"order_id": "ORDER", "send": True},
        "ListLensPackages": LAB,
        "CreateLensPackage": {**LAB, "name": "mine", "lens": LENS},
        "DeleteLensPackage": {"package_id": "PACKAGE"},
        "GetOrderOutline": {"order_id": "ORDER"},
        "GetOrderJob": {"order_id": "ORDER"},
        "GetOrderFhir": {"order_id": "ORDER"},
        "ReadOrderRx": {"document": DOCUMENT},
    },
    "DashboardService": {
        "LogIn": {"email": USERS["client"], "password": "wrong", "address": "192.0.2.1"},
        "GetInvitation": {"token": "unknown"},
        "AcceptInvitation": {"token": "unknown", "password": "words-and-words"},
        "LogOut": {},
        "SearchOrders": {"text": "example"},
        "GetReview": {"order_id": "ORDER"},
    },
    # The code of an order that has no link.
    "TrackingService": {"GetTrackedOrder": {"code": "x" * 43}},
}
# They show what is the caller's own, if anything.
OWN = ("WhoAmI", "ReadOrderRx", "ListLabs", "SearchOrders", "LogOut")
# They name a person, or an event, and no order.
OTHER_RPCS = ("ExportPerson", "ErasePerson", "ListEvents", "ReplayEvent")
# What a login that fails, or succeeds, leaves behind.
LOGINS = ("login_attempts", "dashboard_sessions")
DESK: dict[str, dict[str, Any]] = {
    "LabDeskService": {
        "ListLabOrders": {"lab": "lab_123"},
        "GetLabOrder": {"order_id": "ORDER"},
        "GetLabOrderJob": {"order_id": "ORDER"},
        "AnswerCancelRequest": {"order_id": "ORDER", "accepted": False},
        "UpdateOrder": {"order_id": "ORDER", "lab_status": "cancelled"},
        "ExportPerson": {"email": "nobody@example.com"},
        "ErasePerson": {"email": "nobody@example.com"},
        "ListEvents": {"owner": "nobody"},
        "ReplayEvent": {"event_id": "evt_unknown"},
    },
}
REQUESTS_BY_SERVICE = OURS | DESK
RPCS = [(service, rpc) for service, rpcs in REQUESTS_BY_SERVICE.items() for rpc in rpcs]
ROUTES: dict[tuple[str, str], str] = {
    ("GET", "/v1/me"): "",
    ("POST", "/v1/oauth/token"): "",
    ("GET", "/v1/labs"): "",
    ("GET", "/v1/labs/<lab>/order_settings"): "account_number=1234567",
    ("GET", "/v1/catalogs/styles"): "LAB&lens_type=single_vision",
    ("GET", "/v1/catalogs/materials"): "LAB&style=style_123",
    ("GET", "/v1/catalogs/addons"): "LAB&style=style_123&material=material_123",
    ("POST", "/v1/orders"): "",
    ("GET", "/v1/orders"): "LAB",
    ("GET", "/v1/orders/<order_id>"): "",
    ("PUT", "/v1/orders/<order_id>"): "",
    ("DELETE", "/v1/orders/<order_id>"): "",
    ("POST", "/v1/orders/<order_id>/submit"): "",
    ("POST", "/v1/orders/<order_id>/cancel"): "",
    ("POST", "/v1/orders/<order_id>/duplicate"): "",
    ("POST", "/v1/orders/<order_id>/ready_for_pickup"): "",
    ("POST", "/v1/orders/<order_id>/tracking_link"): "",
    ("GET", "/v1/lens_packages"): "LAB",
    ("POST", "/v1/lens_packages"): "",
    ("DELETE", "/v1/lens_packages/<package_id>"): "",
    ("GET", "/v1/orders/<order_id>/outline.svg"): "",
    ("GET", "/v1/orders/<order_id>/oma"): "",
    ("GET", "/v1/orders/<order_id>/fhir"): "",
    ("POST", "/v1/fhir/VisionPrescription/$order-rx"): "",
}


def is_forbidden(service: str, stranger: str) -> bool:
    return stranger != "staff" or service not in DESK


PAGES: dict[tuple[str, str], dict[str, str]] = {
    ("GET", "/orders/login"): {},
    ("POST", "/orders/login"): {"email": USERS["client"], "password": "wrong"},
    ("GET", "/orders/invitations/<token>"): {},
    ("POST", "/orders/invitations/<token>"): {"password": "words-and-words"},
    ("POST", "/orders/logout"): {},
    ("GET", "/orders"): {},
    ("POST", "/orders"): {"text": "example"},
    ("GET", "/orders/<order_id>"): {},
    ("POST", "/orders/<order_id>/submit"): {},
    ("POST", "/orders/<order_id>/edit"): {"version": "1", "order.patient.first_name": "X"},
    ("POST", "/orders/<order_id>/delete"): {},
    ("POST", "/orders/<order_id>/cancel"): {},
    ("POST", "/orders/<order_id>/duplicate"): {},
    ("POST", "/orders/<order_id>/ready_for_pickup"): {},
    ("POST", "/orders/<order_id>/tracking_link"): {"send": "1"},
}
REFUSAL_CODES = {
    StatusCode.NOT_FOUND,
    StatusCode.PERMISSION_DENIED,
    StatusCode.UNAUTHENTICATED,
    StatusCode.INVALID_ARGUMENT,  # of CreateOrder: the lab
}


@pytest.fixture(scope="module")
def draft(orders: Served) -> str:
    """The id of a draft of the optician, for lab_123."""
    return create_order(orders, {**example(), "mode": "draft"})


@pytest.fixture(scope="module")
def package(orders: Served) -> str:
    """The id of a lens package of the optician."""
    asked = pb.CreateLensPackageRequest(**LAB, name="tenants", lens=pb.Lens(**LENS))
    return str(orders.call("CreateLensPackage", asked).id)


@pytest.fixture(scope="module")
def alone(orders: Served) -> Iterator[FlaskClient]:
    """A client of a gateway with the orders service only."""
    with front(orders=orders.address) as client:
        yield client


def shows_nothing(said: str, draft: str) -> bool:
    """Whether an answer has nothing of our lab, its catalog or our order."""
    ours = (draft, "lab_123", "Acme", "style_", "material_", "color_", "Ada", "Metal")
    return not any(each in said for each in ours)


def build_headers(orders: Served, stranger: str) -> dict[str, str]:
    """Return a stranger's metadata; for an e-mail address a session is begun."""
    sent = dict(STRANGERS[stranger])
    scheme, _, email = sent.get("authorization", "").partition(" ")
    if scheme == "Session":
        asked = pb.LogInRequest(email=email, password="demo-password", address="192.0.2.2")
        sent["authorization"] = f"Session {orders.call('LogIn', asked, '', kind='Dashboard').token}"
    return sent


def read_rows(orders: Served) -> dict[str, Any]:
    """Return the rows of the store, except those of logins."""
    return {name: each for name, each in orders.rows().items() if name not in LOGINS}


def test_every_rpc_is_walked() -> None:
    services = pb.DESCRIPTOR.services_by_name
    every = [(name, each.name) for name in services for each in services[name].methods]
    assert sorted(RPCS) == sorted(every)


def test_every_route_is_walked() -> None:
    addresses = {f"{name}_ADDR": DEAD for name in ("SESSIONS", "ORDERS", "SUBSCRIPTIONS")}
    rules = create_app(addresses).url_map.iter_rules()
    every = {
        (method, rule.rule)
        for rule in rules
        if rule.rule.startswith(("/v1/", "/orders"))
        for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}
    }
    assert ROUTES.keys() | PAGES.keys() == every


@pytest.mark.parametrize(
    ("service", "rpc", "stranger"),
    [
        (*each, stranger)
        for each in RPCS
        for stranger in STRANGERS
        if is_forbidden(each[0], stranger)
    ],
)
def test_a_stranger_finds_nothing_by_grpc(
    orders: Served, draft: str, package: str, service: str, rpc: str, stranger: str
) -> None:
    of = pb.DESCRIPTOR.services_by_name[service]
    kind = getattr(pb, of.methods_by_name[rpc].input_type.name)
    fields = REQUESTS_BY_SERVICE[service][rpc]
    ids = {"ORDER": draft, "PACKAGE": package}
    sent = {
        name: ids.get(value, value) if isinstance(value, str) else value
        for name, value in fields.items()
    }
    asked = request(example()) if rpc == "CreateOrder" else kind(**sent)
    call = orders.channel.unary_unary(
        f"/{of.full_name}/{rpc}",
        request_serializer=kind.SerializeToString,
        response_deserializer=getattr(pb, of.methods_by_name[rpc].output_type.name).FromString,
    )
    metadata = build_headers(orders, stranger)
    before = read_rows(orders)
    try:
        answer = call(asked, timeout=10, metadata=tuple(metadata.items()))
    except RpcError as error:
        failure = decode(error)
        assert failure.code in REFUSAL_CODES
        if failure.code is StatusCode.INVALID_ARGUMENT:
            assert [fault.path for fault in failure.faults] == ["lab"]
        assert shows_nothing(f"{failure.message} {failure.faults}", draft)
    else:
        assert rpc in OWN
        assert shows_nothing(str(answer), draft)
    assert read_rows(orders) == before


@pytest.mark.parametrize("stranger", STRANGERS)
@pytest.mark.parametrize(("method", "rule"), ROUTES)
def test_a_stranger_finds_nothing_by_http(
    alone: FlaskClient,
    orders: Served,
    draft: str,
    package: str,
    method: str,
    rule: str,
    stranger: str,
) -> None:
    path = rule.replace("<lab>", "lab_123").replace("<order_id>", draft)
    path = path.replace("<package_id>", package)
    query = ROUTES[method, rule].replace("LAB", "lab=lab_123&account_number=1234567")
    bodies: dict[str, Body] = {
        "/v1/orders": example(),
        "/v1/orders/<order_id>": example(),
        "/v1/lens_packages": {**LAB, "name": "mine", "lens": LENS},
        "/v1/oauth/token": {"client_id": "demo-client", "client_secret": "wrong"},
        "/v1/fhir/VisionPrescription/$order-rx": json.loads(DOCUMENT),
    }
    sent = build_headers(orders, stranger)
    if method in ("PUT", "DELETE"):
        sent["If-Match"] = '"1"'
    before = read_rows(orders)
    answer = alone.open(
        path,
        method=method,
        query_string=query,
        json=bodies.get(rule, {}) if method in ("POST", "PUT") else None,
        headers=sent,
    )
    if answer.status_code == 200:
        assert rule in ("/v1/labs", "/v1/me", "/v1/fhir/VisionPrescription/$order-rx")
    elif answer.status_code == 400:
        assert rule in ("/v1/orders", "/v1/lens_packages")
        assert answer.get_json()["error"]["param"] == "lab"
    else:
        assert answer.status_code in (401, 403, 404)
    assert shows_nothing(answer.get_data(as_text=True), draft)
    assert read_rows(orders) == before


@pytest.mark.parametrize("email", [USERS["other"], "second@example.com", ""])
@pytest.mark.parametrize(("method", "rule"), PAGES)
def test_a_stranger_finds_nothing_on_the_pages(
    alone: FlaskClient, orders: Served, draft: str, method: str, rule: str, email: str
) -> None:
    client = alone.application.test_client()
    form = dict(PAGES[method, rule])
    if email:
        login = {"email": email, "password": "demo-password"}
        assert client.post("/orders/login", data=login).status_code == 303
        seal = re.search(r'name="seal" value="([0-9a-f]{64})"', client.get("/orders").text)
        assert seal
        form |= {"seal": seal[1]}
    before = read_rows(orders)
    path = rule.replace("<order_id>", draft)
    answer = client.open(path, method=method, data=form if method == "POST" else None)
    if "<order_id>" in rule:
        assert answer.status_code == (404 if email else 303)
    said = answer.get_data(as_text=True)
    leads = f"next=/orders/{draft}"  # where a login leads on to
    assert shows_nothing(said.replace(leads, ""), draft)
    assert read_rows(orders) == before


def test_nobody_may_do_what_a_lab_does_but_staff(orders: Served, draft: str) -> None:
    orders.call("SubmitOrder", pb.SubmitOrderRequest(order_id=draft))
    orders.call("CancelOrder", pb.CancelOrderRequest(order_id=draft))
    for rpc, fields in DESK["LabDeskService"].items():
        kind = getattr(pb, f"{rpc}Request")
        asked = kind(**{k: draft if v == "ORDER" else v for k, v in fields.items()})
        failure = orders.refusal(rpc, asked, "client", desk=True)
        assert failure.code is StatusCode.PERMISSION_DENIED
        if rpc not in OTHER_RPCS:
            assert orders.call(rpc, asked, "staff", desk=True)
