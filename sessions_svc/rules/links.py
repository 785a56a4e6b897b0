"""What is said on a visit through a link, and where the person goes afterwards."""

import re
from collections.abc import Sequence
from ipaddress import ip_address
from urllib.parse import urlencode, urlsplit

from marshmallow import Schema, ValidationError
from marshmallow.fields import Nested, Raw, String
from marshmallow.validate import Regexp

from sessions_svc.rules.acuity import VisualAcuitySchema
from sessions_svc.rules.sessions import MOVES, KeysSchema, Status

LONGEST = 2000  # characters of a redirect_url
# The characters of RFC 3986: whatever else is in a URL, browsers read in ways of their own.
_URL = re.compile(r"[A-Za-z0-9._~:/?#\[\]@!$&'()*+,;=%-]+\Z")
_VISIT = Regexp(
    re.compile(r"[A-Za-z0-9_-]{22,128}\Z"),
    error="Must be 22 to 128 of the characters A-Z a-z 0-9 _ -",
)
# Where something is still wanted from the person.
_AT_WORK = (Status.STARTED, Status.AWAITING_CHECKOUT, Status.AWAITING_CONFIRMATION)


def _redirect_url(value: str) -> None:
    if len(value) > LONGEST:
        raise ValidationError("Must be at most 2,000 characters.")
    if not _URL.match(value):
        raise ValidationError("Must be a URL; percent-encode what is not a URL character.")
    try:
        parts = urlsplit(value)
        host, _port = parts.hostname or "", parts.port
    except ValueError:
        raise ValidationError("Must be a URL with a valid host and port.") from None
    if not host or not (parts.scheme == "https" or (parts.scheme == "http" and _loopback(host))):
        raise ValidationError("Must be an https URL, or an http URL on loopback.")
    if "@" in parts.netloc:
        raise ValidationError("Must not hold a user name or password.")


def _loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


class CreateAuthenticationSchema(KeysSchema):
    """A CreateAuthenticationRequest."""

    redirect_url = String(validate=_redirect_url)


class EnterExamSchema(Schema):
    """An EnterExamRequest; of a wrong link the form does not matter."""

    user_key = Raw()
    session_key = Raw()
    token = Raw()
    visit = String(required=True, validate=_VISIT)


class CompleteExamSchema(Schema):
    """A CompleteExamRequest."""

    exam_token = Raw()
    visual_acuity = Nested(VisualAcuitySchema, required=True)


CREATE_AUTHENTICATION = CreateAuthenticationSchema()
ENTER_EXAM = EnterExamSchema()
COMPLETE_EXAM = CompleteExamSchema()


def has_ended(status: str) -> bool:
    """Whether no move leads on from a session's status."""
    return Status(status) not in MOVES


def link(public_url: str, user_key: str, session_key: str, token: str) -> str:
    """The link that this token is the secret of."""
    query = {"session_key": session_key, "user_key": user_key, "token": token}
    return f"{public_url}/login?{urlencode(query)}"


def next_step(status: str, is_acuity: bool) -> str:
    """What the person does next in an exam that is open."""
    if is_acuity:
        return "acuity" if status == Status.STARTED else "return"
    return "front_end" if status in _AT_WORK else "return"


def return_url(
    redirect_url: str,
    user_key: str,
    session_key: str,
    status: str,
    missing_requirements: Sequence[str],
) -> str:
    """The redirect_url with the session's state after the query that it has.

    What was there stays as it was, byte for byte, and the fragment stays last.
    Brackets stand bare, as in the contract's example.
    """
    before, mark, fragment = redirect_url.partition("#")
    state = [("user_key", user_key), ("session_key", session_key), ("status", status)]
    if status == Status.AWAITING_CONFIRMATION:
        state += [("missing_requirements[]", each) for each in missing_requirements]
    joint = "?" if "?" not in before else "" if before[-1] in "?&" else "&"
    return f"{before}{joint}{urlencode(state, safe='[]')}{mark}{fragment}"
