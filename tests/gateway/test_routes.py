"""What requests to what does not exist are told: paths, methods and prefixes."""

from collections.abc import Iterator

import pytest
from flask import url_for
from flask.testing import FlaskClient

from tests.gateway.front import POST, TYPES, front, read_faults
from tests.serving import SERVICES

DIALECTS = pytest.mark.parametrize("dialect", SERVICES)
PREFIX = {"sessions": "/api/v2/partners", "orders": "/v1", "subscriptions": "/api/public/v1"}
PATHS = {
    "sessions": "/api/v2/partners/authentications, /api/v2/partners/authentications/qr, "
    "/api/v2/partners/me, "
    "/api/v2/partners/prescriptions/:prescription_id/fhir, "
    "/api/v2/partners/qualifications and /api/v2/partners/sessions",
    "orders": "/v1/catalogs/addons, /v1/catalogs/materials, /v1/catalogs/styles, "
    "/v1/fhir/VisionPrescription/$order-rx, /v1/labs, /v1/labs/:lab/order_settings, "
    "/v1/lens_packages, /v1/lens_packages/:package_id, /v1/me, "
    "/v1/oauth/token, /v1/orders, /v1/orders/:order_id, /v1/orders/:order_id/cancel, "
    "/v1/orders/:order_id/duplicate, /v1/orders/:order_id/fhir, "
    "/v1/orders/:order_id/oma, /v1/orders/:order_id/outline.svg, "
    "/v1/orders/:order_id/ready_for_pickup, /v1/orders/:order_id/submit and "
    "/v1/orders/:order_id/tracking_link",
    "subscriptions": "/api/public/v1/fhir/VisionPrescription/$cart-items, "
    "/api/public/v1/me, /api/public/v1/pre_approvals, /api/public/v1/price_simulations, "
    "/api/public/v1/subscriptions, "
    "/api/public/v1/subscriptions/:subscription_id, "
    "/api/public/v1/subscriptions/:subscription_id/box_deliveries, "
    "/api/public/v1/subscriptions/:subscription_id/cancel, "
    "/api/public/v1/subscriptions/:subscription_id/cart_items/:reference_uuid/activate, "
    "/api/public/v1/subscriptions/:subscription_id/cart_items/:reference_uuid/change_graduation, "
    "/api/public/v1/subscriptions/:subscription_id/deliveries, "
    "/api/public/v1/subscriptions/:subscription_id/deliveries/:delivery_id/outcome, "
    "/api/public/v1/subscriptions/:subscription_id/extend_period, "
    "/api/public/v1/subscriptions/:subscription_id/reset_sms_count, "
    "/api/public/v1/subscriptions/:subscription_id/send_email, "
    "/api/public/v1/subscriptions/:subscription_id/send_sms, "
    "/api/public/v1/subscriptions/:subscription_id/update_customer_info, "
    "/api/public/v1/subscriptions/:subscription_id/update_products and "
    "/api/public/v1/subscriptions/:subscription_id/warranty_event",
}
APIS = "The APIs are below /api/v2/partners, /v1 and /api/public/v1."


@pytest.fixture(scope="module")
def alone() -> Iterator[FlaskClient]:
    """A client of a gateway whose services are all dead."""
    with front() as client:
        yield client


@pytest.mark.parametrize("engine", ["sqlite"], indirect=True)
@DIALECTS
@pytest.mark.parametrize("rest", ["", "/", "/nothing", "/%00", "/../secret", "//", "/%F0%9F"])
def test_an_unknown_route_is_answered_in_its_dialect(
    http: FlaskClient, dialect: str, rest: str
) -> None:
    for method in ("GET", "POST", "DELETE"):
        found = http.open(PREFIX[dialect] + rest, method=method)
        assert (found.status_code, found.content_type) == (404, TYPES[dialect])
        said = f"There is no such path. There are {PATHS[dialect]}."
        assert read_faults(dialect, found) == [(None, said)]


@pytest.mark.parametrize(
    ("path", "question"),
    [
        ("/", ""),
        ("/favicon.ico", ""),
        ("/v2", ""),
        ("/API/v2/partners", ""),
        ("/v1x/labs", "Did you mean /v1/labs? "),
        ("/api/v2/partner/session", "Did you mean /api/v2/partners/sessions? "),
        ("/API/v2/partners/me", "Did you mean /api/v2/partners/me? "),
        ("/livez/", "Did you mean /livez? "),
    ],
)
def test_outside_of_all_dialects_a_problem_is_rfc_9457(
    alone: FlaskClient, path: str, question: str
) -> None:
    found = alone.get(path)
    assert (found.status_code, found.content_type) == (404, "application/problem+json")
    assert found.get_json() == {
        "type": "about:blank",
        "title": "Not Found",
        "status": 404,
        "detail": f"There is no such path. {question}{APIS}",
        "request_id": found.headers["X-Request-Id"],
    }


@pytest.mark.parametrize(
    ("dialect", "path", "right"),
    [
        ("orders", "/v1/orders/", "/v1/orders"),
        ("orders", "/v1//orders", "/v1/orders"),
        ("orders", "/v1/orders//ord_1/", "/v1/orders/ord_1"),
        ("orders", "/v1/order", "/v1/orders"),
        ("orders", "/v1/Labs", "/v1/labs"),
        ("orders", "/v1/catalog/styles", "/v1/catalogs/styles"),
        ("orders", "/v1/order/ord_1/submit", "/v1/orders/:order_id/submit"),
        ("sessions", "/api/v2/partners/session/", None),
        ("sessions", "/api/v2/partners/sesions", "/api/v2/partners/sessions"),
        ("sessions", "/api/v2/partners/sessions//", "/api/v2/partners/sessions"),
        ("subscriptions", "/api/public/v1/subscriptions/", "/api/public/v1/subscriptions"),
        ("orders", "/v1/" + "order/" * 1000, None),
        ("orders", "/v1/orders/%3Cb%3E/", None),
    ],
)
def test_a_wrong_path_is_answered_with_the_right_one(
    alone: FlaskClient, dialect: str, path: str, right: str | None
) -> None:
    found = alone.get(path)
    assert (found.status_code, "Location" in found.headers) == (404, False)
    question = f" Did you mean {right}?" if right else ""
    said = f"There is no such path.{question} There are {PATHS[dialect]}."
    assert read_faults(dialect, found) == [(None, said)]


@pytest.mark.parametrize("path", [*POST.values(), "/v1/labs", "/livez", "/readyz"])
def test_a_slash_at_the_end_is_another_route(alone: FlaskClient, path: str) -> None:
    found = alone.get(f"{path}/")
    assert (found.status_code, "Location" in found.headers) == (404, False)
    assert f"There is no such path. Did you mean {path}? There " in found.text.replace(
        "The APIs are", "There are"
    )


JSON = {"Content-Type": "application/json"}
TOKEN = {"Authorization": "Bearer tok_x"}


@pytest.mark.parametrize(
    ("dialect", "method", "path", "headers"),
    [
        ("orders", "POST", "/orders", JSON),
        ("orders", "POST", "/orders", {**TOKEN, "Accept": "*/*"}),
        ("orders", "GET", "/orders", TOKEN),
        ("orders", "GET", "/orders/ord_1", TOKEN),
        ("orders", "POST", "/orders/ord_1/submit", JSON),
        ("orders", "GET", "/labs", TOKEN),
        ("orders", "POST", "/oauth/token", JSON),
        ("sessions", "POST", "/sessions", {"Content-Type": "application/vnd.shop+json"}),
        ("subscriptions", "POST", "/subscriptions", JSON),
    ],
)
def test_an_api_call_without_its_prefix_is_refused_in_the_form_of_the_api(
    alone: FlaskClient, dialect: str, method: str, path: str, headers: dict[str, str]
) -> None:
    refused = alone.open(path, method=method, data=b"{}", headers=headers)
    assert (refused.status_code, refused.content_type) == (404, TYPES[dialect])
    said = f"There is no such path; did you mean {PREFIX[dialect]}{path}?"
    assert read_faults(dialect, refused) == [(None, said)]


@pytest.mark.parametrize(
    ("method", "headers"),
    [
        ("GET", {}),
        ("POST", {"Content-Type": "application/x-www-form-urlencoded"}),
        ("GET", {"Authorization": "Basic eDp4", "Accept": "text/html,*/*;q=0.8"}),
    ],
)
def test_a_browser_still_finds_the_dashboard(
    alone: FlaskClient, method: str, headers: dict[str, str]
) -> None:
    assert "text/html" in alone.open("/orders", method=method, headers=headers).content_type


ALLOWED = dict.fromkeys(SERVICES, "GET, HEAD, OPTIONS, POST") | {
    "sessions": "DELETE, GET, HEAD, OPTIONS, POST, PUT"
}


@DIALECTS
@pytest.mark.parametrize("method", ["PATCH", "TRACE", "PROPFIND", "FOO"])
def test_a_wrong_method_is_answered_with_the_allowed_ones(
    alone: FlaskClient, dialect: str, method: str
) -> None:
    found = alone.open(POST[dialect], method=method)
    assert (found.status_code, found.content_type) == (405, TYPES[dialect])
    assert found.headers["Allow"] == ALLOWED[dialect]
    taken = "DELETE, GET, POST and PUT" if dialect == "sessions" else "GET and POST"
    said = f"This method is not allowed; the path takes {taken}."
    assert read_faults(dialect, found) == [(None, said)]


def test_links_of_pages_begin_with_the_path_below_which_all_is(alone: FlaskClient) -> None:
    """gunicorn takes it from its environment: SCRIPT_NAME."""
    for below in ("", "/shop"):
        environ = {"SCRIPT_NAME": below}
        with alone.application.test_request_context("/livez", environ_overrides=environ):
            assert url_for("exam.enter_exam") == f"{below}/login"
