"""After any sequence of calls, sessions match a model of the status table, on both engines.

`FUZZ_EXAMPLES` sets how many sequences; they are others in each run.
"""

import json
import os
import uuid
from dataclasses import dataclass, field
from typing import Any

from google.protobuf.json_format import ParseDict
from google.protobuf.message import Message
from grpc import RpcError, StatusCode
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from protos import sessions_pb2 as pb
from sessions_svc.store import tables
from tests.serving import Served, decode
from tests.sessions_svc.bodies import build_session
from tests.sessions_svc.desk import ACUITY_ORDER, build_request, create_partner

# The table of the contract, as sets of moves.
PRESCRIPTION = {
    ("created", "started"),
    ("created", "cancelled"),
    ("started", "awaiting_checkout"),
    ("started", "awaiting_confirmation"),
    ("started", "awaiting_review"),
    ("started", "referred"),
    ("awaiting_checkout", "awaiting_confirmation"),
    ("awaiting_checkout", "awaiting_review"),
    ("awaiting_confirmation", "awaiting_review"),
    ("awaiting_confirmation", "retake_requested"),
    ("awaiting_confirmation", "referred"),
    ("awaiting_review", "approved"),
    ("awaiting_review", "referred"),
    ("awaiting_review", "retake_requested"),
    ("awaiting_review", "awaiting_confirmation"),
    ("retake_requested", "started"),
}
ACUITY = {("created", "started"), ("created", "cancelled"), ("started", "completed")}
EVENT_TYPES = {
    "started": "session_updated",
    "awaiting_checkout": "session_updated",
    "awaiting_confirmation": "session_updated",
    "awaiting_review": "session_updated",
    "retake_requested": "session_updated",
    "approved": "session_completed",
    "referred": "session_completed",
    "completed": "session_completed",
}
# Each RPC that moves a session, the status it leads to, and its fields.
Lead = tuple[str, str, dict[str, Any]]
MOVES_BY_RPC: list[Lead] = [
    ("StartExam", "started", {}),
    ("SubmitExam", "awaiting_checkout", {"status": "awaiting_checkout"}),
    (
        "SubmitExam",
        "awaiting_confirmation",
        {"status": "awaiting_confirmation", "missing_requirements": ["glasses_prior"]},
    ),
    ("SubmitExam", "awaiting_review", {"status": "awaiting_review"}),
    ("SubmitExam", "referred", {"status": "referred"}),
    ("RequestConfirmation", "awaiting_confirmation", {}),
    ("RequestRetake", "retake_requested", {}),
    ("Approve", "approved", {}),
    ("Refer", "referred", {}),
    ("CompleteAcuity", "completed", {}),
    ("CancelSession", "cancelled", {}),
]
MAX_SESSIONS = 4  # of one run: few, so that each moves often
SETTINGS = settings(
    max_examples=int(os.environ.get("FUZZ_EXAMPLES", "15")),
    stateful_step_count=40,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)


@dataclass
class Model:
    """The expected state of a session."""

    key: str
    is_acuity: bool
    status: str = "created"
    events: list[tuple[str, str | None]] = field(default_factory=list)

    def allows(self, to: str) -> bool:
        """Return whether the table has this move."""
        return (self.status, to) in (ACUITY if self.is_acuity else PRESCRIPTION)

    def move(self, to: str) -> None:
        """Make a move, and record its event."""
        self.status = to
        if to in EVENT_TYPES:
            self.events.append((EVENT_TYPES[to], None if to == "completed" else to))


class Journeys(RuleBasedStateMachine):
    """A partner and a desk that make any call at any time, and the models of their sessions."""

    served: Served
    sessions = Bundle("sessions")

    @initialize()
    def begin(self) -> None:
        self.name = f"j-{uuid.uuid4().hex[:20]}"
        endpoint = {"url": "https://partner.example/"}
        self.authorization = create_partner(
            self.served, self.name, endpoint=endpoint, products=["example1", "example2"]
        )
        self.models: list[Model] = []
        self.moved: Model | None = None

    def call_as_partner(self, rpc: str, request: Message) -> Any:
        """Call an RPC as the partner."""
        return self.served.call(rpc, request, "", authorization=self.authorization)

    def request_move(self, model: Model, lead: Lead) -> None:
        """Request a move; it succeeds exactly when the table allows it, and moves the model."""
        self.moved = model
        rpc, to, fields = lead
        if rpc == "CancelSession":
            request: Message = pb.CancelSessionRequest(user_key="u", session_key=model.key)
            answered = get_outcome(lambda: self.call_as_partner(rpc, request))
        else:
            request = build_request(rpc, model.key, partner=self.name, **fields)
            answered = get_outcome(lambda: self.served.call(rpc, request, "staff", desk=True))
        if model.allows(to):
            assert answered.status == to
            model.move(to)
        else:
            assert answered is StatusCode.FAILED_PRECONDITION

    @precondition(lambda self: len(self.models) < MAX_SESSIONS)
    @rule(target=sessions, is_acuity=st.booleans())
    def create(self, is_acuity: bool) -> Model:
        model = Model(f"{len(self.models)}", is_acuity)
        order = ACUITY_ORDER if is_acuity else {"products": [{"type": "contacts"}]}
        body = build_session(user_key="u", session_key=model.key, order=order)
        created = self.call_as_partner("CreateSession", ParseDict(body, pb.CreateSessionRequest()))
        assert created.status == "created"
        self.models.append(model)
        return model

    @rule(model=sessions, is_acuity=st.booleans())
    def replace(self, model: Model, is_acuity: bool) -> None:
        order = ACUITY_ORDER if is_acuity else {}
        body = build_session(user_key="u", session_key=model.key, order=order)
        request = ParseDict(body, pb.ReplaceSessionRequest())
        answered = get_outcome(lambda: self.call_as_partner("ReplaceSession", request))
        if model.status == "created":
            assert answered.status == "created"
            model.is_acuity = is_acuity
        else:
            assert answered is StatusCode.FAILED_PRECONDITION

    @rule(model=sessions, lead=st.sampled_from(MOVES_BY_RPC))
    def request_any_move(self, model: Model, lead: Lead) -> None:
        self.request_move(model, lead)

    @rule(model=sessions, chance=st.integers(0, 59))
    def request_an_allowed_move(self, model: Model, chance: int) -> None:
        allowed = [
            lead for lead in MOVES_BY_RPC if model.allows(lead[1]) and lead[0] != "CancelSession"
        ]
        if allowed:
            self.request_move(model, allowed[chance % len(allowed)])

    @invariant()
    def the_session_matches_its_model(self) -> None:
        if self.moved is None:
            return
        model, self.moved = self.moved, None
        request = pb.GetSessionRequest(user_key="u", session_key=model.key)
        found = self.call_as_partner("GetSession", request)
        assert found.status == model.status
        assert len(found.data.dispensed_prescriptions) == (model.status == "approved")
        assert found.data.HasField("visual_acuity") == (model.status == "completed")

    def teardown(self) -> None:
        """Every session is listed, and each move sent its event in order."""
        request = pb.ListSessionsRequest(user_key="u", per_page=100)
        listed = self.call_as_partner("ListSessions", request).data
        expected = [(model.key, model.status) for model in reversed(self.models)]
        assert [(each.session_key, each.status) for each in listed] == expected
        with self.served.database.read() as tx:
            events = list(reversed(tables.outbox.find(tx, 1000, owner=self.name)))
        for model in self.models:
            bodies = [json.loads(each.body) for each in events if each.stream == model.key]
            assert [(body["type"], body.get("status")) for body in bodies] == model.events


def get_outcome(call: Any) -> Any:
    """Return the answer of a call, or the gRPC status with which it fails."""
    try:
        return call()
    except RpcError as error:
        return decode(error).code


def test_any_sequence_of_calls_follows_the_table(sessions: Served) -> None:
    machine = type("Bound", (Journeys,), {"served": sessions})
    run_state_machine_as_test(machine, settings=SETTINGS)
