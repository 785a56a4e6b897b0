"""Partners with a price list, for tests, and a cashier at a stand-in for their provider."""

import json
from typing import Any

from chassis.payments.calls import Caller
from chassis.payments.cashier import Cashier
from protos import sessions_pb2 as pb
from sessions_svc.actions.payments.receive_payment_callback import record_outcome
from sessions_svc.store import tables
from tests.event_schemas import check_event
from tests.serving import Served
from tests.sessions_svc.bodies import create
from tests.sessions_svc.desk import create_partner, move
from tests.sessions_svc.links import call_door, create_link, enter_exam
from tests.stripe_stub import Stub

PRICES = {"currency": "USD", "glasses": 3500, "contacts": 4000, "acuity_service": 1500}
SECRET = "whsec_of_the_partner"
EXAM = "0123456789abcdef"


class Shop:
    """A partner whose sessions we collect for."""

    def __init__(self, served: Served, name: str, stub: Stub | None = None, **more: Any) -> None:
        self.served, self.name = served, name
        if stub:
            more["payment_account"] = {
                "provider": "stripe",
                "api_url": stub.url,
                "secret_key": stub.secret_key,
                "callback_secrets": [SECRET],
            }
        products = ["example1", "example2"]
        endpoint = {"url": "https://partner.example/"}
        configuration = {"prices": PRICES, "products": products, "endpoint": endpoint, **more}
        self.authorization = create_partner(served, name, **configuration)

    def call(self, rpc: str, request: Any) -> Any:
        """Call an RPC as the partner."""
        return self.served.call(rpc, request, "", authorization=self.authorization)

    def create(self, key: str = "s", *types: str, **fields: Any) -> None:
        """Create a session for these products."""
        order = {"products": [{"type": each} for each in types], **fields.pop("order", {})}
        self.call("CreateSession", create(user_key=key, session_key=key, order=order, **fields))

    def get(self, key: str = "s") -> pb.Session:
        """Return a session."""
        found: pb.Session = self.call(
            "GetSession", pb.GetSessionRequest(user_key=key, session_key=key)
        )
        return found

    def move(self, rpc: str, key: str = "s", **fields: Any) -> Any:
        """Call an RPC of the desk."""
        return move(self.served, rpc, key, partner=self.name, **fields)

    def link(self, key: str = "s") -> dict[str, str]:
        """Return a link into a session."""
        return create_link(self.served, key, who="", authorization=self.authorization)

    def enter(self, key: str = "s") -> str:
        """Enter the exam, and return its token."""
        return enter_exam(self.served, self.link(key))

    def ask(self, token: str) -> pb.Exam:
        """Ask for a page on which the exam is paid."""
        exam: pb.Exam = call_door(self.served, "CreateCheckout", exam_token=token, exam=EXAM)
        return exam

    def call_provider(self) -> None:
        """Make the calls to providers that are due."""
        served = self.served
        cashier = Cashier(
            served.database,
            tables.payment_accounts,
            tables.charges,
            record_outcome,
            Caller(private=True, timeout=5),
            served.clock,
        )
        while cashier.call_due():
            cashier.wait_until_idle()

    def receive(self, body: bytes, signature: str) -> None:
        """Receive a callback, as the gateway hands it on."""
        from protos.sessions_pb2_grpc import DoorServiceStub

        request = pb.ReceivePaymentCallbackRequest(
            partner=self.name, signature=signature, body=body
        )
        DoorServiceStub(self.served.channel).ReceivePaymentCallback(request, timeout=20)

    def list_charges(self, kind: str = "page") -> list[Any]:
        """Return what was asked of the provider."""
        with self.served.database.read() as tx:
            rows = tx.execute(tables.charges.table.select()).all()
        return [row for row in rows if row.owner == self.name and row.kind == kind]

    def read_events(self) -> list[Any]:
        """Return the bodies of the partner's events, oldest first."""
        with self.served.database.read() as tx:
            rows = tables.outbox.find(tx, 100, owner=self.name)
        for row in rows:
            check_event("sessions", row.type, row.content_type, row.body)
        return [json.loads(row.body) for row in reversed(rows)]
