"""Load for people who use locust, which is not a dependency of this project.

pip install locust
locust -f bench/locustfile.py --host http://127.0.0.1:8080 --users 32 --spawn-rate 32

The demo data is expected (`make run`), or credentials in the environment:
BENCH_CLIENT, BENCH_SECRET and BENCH_USER_EMAIL for orders, and a JSON file with
the order to send in BENCH_ORDER; BENCH_PARTNER and BENCH_PARTNER_SECRET for
sessions; BENCH_MERCHANT and BENCH_MERCHANT_SECRET for subscriptions. Name a
class to run it alone: `locust -f bench/locustfile.py OrderUser ...`. Unlike
`python -m bench`, locust spends more CPU time on a request than a service
does: run it on another machine, or with --processes.
"""
# locust ships here only where somebody has installed it:
# mypy: disable-error-code="import-not-found,misc,untyped-decorator,unused-ignore"

import copy
import json
import os
import uuid
from pathlib import Path
from typing import Any

from locust import HttpUser, between, task

DEMO = Path(__file__).parent.parent / "demo"
SUBSCRIPTIONS = "/api/public/v1/subscriptions"
SESSIONS = "/api/v2/partners/sessions"


def read_body(name: str) -> dict[str, Any]:
    """Return a body of the demo, or the order that BENCH_ORDER names."""
    path = Path(os.environ.get(f"BENCH_{name.upper()}") or DEMO / f"{name}.json")
    body: dict[str, Any] = json.loads(path.read_text())
    return body


def read_credentials(variable: str, demo: str) -> tuple[str, str]:
    """Return a name and its secret."""
    secret = "BENCH_SECRET" if variable == "BENCH_CLIENT" else f"{variable}_SECRET"
    return os.environ.get(variable, demo), os.environ.get(secret, f"{demo}-secret")


class OrderUser(HttpUser):
    """Software of an optician: three orders are sent for each that is read."""

    wait_time = between(0.05, 0.15)

    def on_start(self) -> None:
        """Fetch a token."""
        name, secret = read_credentials("BENCH_CLIENT", "demo-client")
        body = {"client_id": name, "client_secret": secret}
        token = self.client.post("/v1/oauth/token", json=body).json()["token"]
        email = os.environ.get("BENCH_USER_EMAIL", "optician@example.com")
        self.client.headers.update({"Authorization": f"Bearer {token}", "User-Email": email})
        self.order = read_body("order")
        self.order_id = ""

    @task(3)
    def create_order(self) -> None:
        """POST /v1/orders, with a key of its own."""
        order = copy.deepcopy(self.order)
        order["patient"]["last_name"] = f"Example {uuid.uuid4().hex[:8]}"
        headers = {"Idempotency-Key": uuid.uuid4().hex}
        with self.client.post(
            "/v1/orders", json=order, headers=headers, catch_response=True
        ) as response:
            if response.status_code == 201:
                self.order_id = response.json()["id"]
            else:
                response.failure(f"status {response.status_code}")

    @task(1)
    def read_order(self) -> None:
        """GET /v1/orders/:id."""
        if self.order_id:
            self.client.get(f"/v1/orders/{self.order_id}", name="/v1/orders/:id")


class SessionUser(HttpUser):
    """A partner that opens vision-test sessions."""

    wait_time = between(0.05, 0.15)

    def on_start(self) -> None:
        """Set the credentials."""
        self.client.auth = read_credentials("BENCH_PARTNER", "demo-partner")
        self.session = read_body("session")

    @task
    def create_session(self) -> None:
        """POST /api/v2/partners/sessions."""
        key = {"session_key": uuid.uuid4().hex, "user_key": f"locust-{uuid.uuid4().hex[:8]}"}
        self.client.post(SESSIONS, json=self.session | key)


class SubscriptionUser(HttpUser):
    """A shop: it solicits a subscription, and reads it ten times as often."""

    wait_time = between(0.05, 0.15)

    def on_start(self) -> None:
        """Set the credentials."""
        self.client.auth = read_credentials("BENCH_MERCHANT", "demo-merchant")
        self.subscription = read_body("subscription")
        self.subscription_id = ""
        self.create_subscription()

    @task(1)
    def create_subscription(self) -> None:
        """POST /api/public/v1/subscriptions."""
        body = self.subscription | {"reference": f"locust-{uuid.uuid4()}"}
        response = self.client.post(SUBSCRIPTIONS, json=body)
        if response.status_code == 201:
            self.subscription_id = response.json()["id"]

    @task(10)
    def read_subscription(self) -> None:
        """GET /api/public/v1/subscriptions/:id."""
        if self.subscription_id:
            path = f"{SUBSCRIPTIONS}/{self.subscription_id}"
            self.client.get(path, name=f"{SUBSCRIPTIONS}/:id")
