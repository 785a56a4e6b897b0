"""The vision test: a partner sends a person, the person pays, and a doctor dispenses."""

from examples import desk, partner
from protos import sessions_pb2
from protos.sessions_pb2_grpc import SessionDeskServiceStub

ADDRESS = "127.0.0.1:50051"
# Without charged_amount: the operator collects the price, and not the partner.
ORDER = {"products": [{"type": "contacts"}, {"type": "glasses"}]}


def qualify(session_key: str) -> list[str]:
    """Create a session for a person who qualifies; returns the link that they open."""
    return [partner.create_session(session_key, ORDER)]


def examine(session_key: str) -> list[str]:
    """Submit the exam that the person has taken; returns the session's status.

    The review begins once the price is paid.
    """
    session = {"partner": desk.PARTNER, "session_key": session_key}
    with desk.connect("SESSIONS", ADDRESS) as channel:
        stub = SessionDeskServiceStub(channel)
        submitted = sessions_pb2.SubmitExamRequest(**session, status="awaiting_checkout")
        return [desk.call(stub.SubmitExam, submitted).status]


def pay(session_key: str) -> list[str]:
    """Record that the person has paid; returns the session's status."""
    request = sessions_pb2.RecordPaymentRequest(
        partner=desk.PARTNER, session_key=session_key, reference="receipt 1"
    )
    with desk.connect("SESSIONS", ADDRESS) as channel:
        return [desk.call(SessionDeskServiceStub(channel).RecordPayment, request).status]


def approve(session_key: str) -> list[str]:
    """Dispense contact lenses and glasses; returns the session's status."""
    with desk.connect("SESSIONS", ADDRESS) as channel:
        return [desk.dispense(SessionDeskServiceStub(channel), session_key)]
