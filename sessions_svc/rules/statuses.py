"""Session statuses, the moves allowed between them, and the event that each move sends."""

from collections.abc import Mapping
from enum import StrEnum


class Status(StrEnum):
    """The status of a session, as the API names it."""

    CREATED = "created"
    STARTED = "started"
    AWAITING_CHECKOUT = "awaiting_checkout"
    AWAITING_CONFIRMATION = "awaiting_confirmation"
    AWAITING_REVIEW = "awaiting_review"
    RETAKE_REQUESTED = "retake_requested"
    APPROVED = "approved"
    REFERRED = "referred"
    CANCELLED = "cancelled"
    COMPLETED = "completed"


# The moves of a session for glasses or contacts. A status that is missing here is final.
ALLOWED_MOVES: Mapping[Status, frozenset[Status]] = {
    Status.CREATED: frozenset({Status.STARTED, Status.CANCELLED}),
    Status.STARTED: frozenset(
        {
            Status.AWAITING_CHECKOUT,
            Status.AWAITING_CONFIRMATION,
            Status.AWAITING_REVIEW,
            Status.REFERRED,
        }
    ),
    Status.AWAITING_CHECKOUT: frozenset({Status.AWAITING_CONFIRMATION, Status.AWAITING_REVIEW}),
    Status.AWAITING_CONFIRMATION: frozenset(
        {Status.AWAITING_REVIEW, Status.RETAKE_REQUESTED, Status.REFERRED}
    ),
    Status.AWAITING_REVIEW: frozenset(
        {
            Status.APPROVED,
            Status.REFERRED,
            Status.RETAKE_REQUESTED,
            Status.AWAITING_CONFIRMATION,
        }
    ),
    Status.RETAKE_REQUESTED: frozenset({Status.STARTED}),
}
# The moves of a session that ordered the acuity service.
ALLOWED_ACUITY_MOVES: Mapping[Status, frozenset[Status]] = {
    Status.CREATED: frozenset({Status.STARTED, Status.CANCELLED}),
    Status.STARTED: frozenset({Status.COMPLETED, Status.REFERRED, Status.AWAITING_CHECKOUT}),
    Status.AWAITING_CHECKOUT: frozenset({Status.COMPLETED}),
}
# The statuses that SubmitExam may name.
SUBMIT_EXAM_STATUSES = (
    Status.AWAITING_CHECKOUT,
    Status.AWAITING_CONFIRMATION,
    Status.AWAITING_REVIEW,
    Status.REFERRED,
)
# The statuses to which a session with a price that is not paid does not move.
PAID_STATUSES = (Status.AWAITING_CONFIRMATION, Status.AWAITING_REVIEW, Status.APPROVED)
# The statuses that end a session without a result: what was paid goes back.
REFUNDED_STATUSES = (Status.REFERRED, Status.CANCELLED)
# The statuses from which entering the exam starts it.
STARTABLE_STATUSES = (Status.CREATED, Status.RETAKE_REQUESTED)
# The statuses in which the person still has something to do in the exam.
_EXAM_STATUSES = (Status.STARTED, Status.AWAITING_CHECKOUT, Status.AWAITING_CONFIRMATION)

CHECKOUT = "checkout"  # the next step of a person who has to pay

SESSION_UPDATED, SESSION_COMPLETED = EVENT_TYPES = ("session_updated", "session_completed")
# The partner makes these moves itself, so no event reports them.
_SILENT_STATUSES = (Status.CREATED, Status.CANCELLED)
_COMPLETING_STATUSES = (Status.APPROVED, Status.REFERRED, Status.COMPLETED)


def has_ended(status: str) -> bool:
    """Return whether a status is final."""
    return Status(status) not in ALLOWED_MOVES


def choose_event_type(status: str) -> str | None:
    """Return the type of the event that a move to this status sends; None for no event."""
    if status in _SILENT_STATUSES:
        return None
    return SESSION_COMPLETED if status in _COMPLETING_STATUSES else SESSION_UPDATED


def list_reported_statuses(event_type: str | None = None) -> list[Status]:
    """Return the statuses that events report, or those of one type; completed is left out of it."""
    reported = (each for each in Status if each != Status.COMPLETED)
    types = (event_type,) if event_type else EVENT_TYPES
    return [each for each in reported if choose_event_type(each) in types]


def choose_next_step(status: str, is_acuity: bool, owes: bool) -> str:
    """Return what the person does next in an open exam: acuity, front_end, checkout or return."""
    if owes and status == Status.AWAITING_CHECKOUT:
        return CHECKOUT
    if is_acuity:
        return "acuity" if status == Status.STARTED else "return"
    return "front_end" if status in _EXAM_STATUSES else "return"
