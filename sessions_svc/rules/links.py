"""Links into an exam: their requests, secrets and lifetimes, and the URL back to the partner."""

import base64
import hashlib
import re
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from ipaddress import ip_address
from typing import Any
from urllib.parse import urlencode, urlsplit

from marshmallow import Schema, ValidationError, validates_schema
from marshmallow.fields import Nested, Raw, String
from marshmallow.validate import Regexp

from optics.fields import one_of
from sessions_svc.rules.acuity import EyeHealthSchema, VisualAcuitySchema, require_results
from sessions_svc.rules.products import PRESCRIPTION_PRODUCTS
from sessions_svc.rules.sessions import KeysSchema
from sessions_svc.rules.statuses import Status

MAX_REDIRECT_URL_CHARACTERS = 2000
MAX_HOST_CHARACTERS = 259  # of a name of 253 with a port
LINK_LIFETIME = timedelta(minutes=5)
EXAM_LIFETIME = timedelta(hours=4)
IN_STORE = "in_store"
KIOSK_SECONDS = 60  # for which a kiosk shows one link
# The characters of RFC 3986; browsers differ in how they read any other character.
_URL_PATTERN = re.compile(r"[A-Za-z0-9._~:/?#\[\]@!$&'()*+,;=%-]+\Z")
_HOST_PATTERN = re.compile(
    r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?(?:\.[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?)*\Z"
)
_EXAM_NAME = Regexp(re.compile(r"[0-9a-f]{16}\Z"), error="Must be 16 of the characters 0-9 a-f.")
_VISIT = Regexp(
    re.compile(r"[A-Za-z0-9_-]{22,128}\Z"),
    error="Must be 22 to 128 of the characters A-Z a-z 0-9 _ -",
)


def check_link_host(value: str) -> None:
    """Raise ValidationError unless the text is a host name in lower case, or one with a port."""
    name, _, port = value.partition(":")
    is_port = ":" not in value or (port.isascii() and port.isdigit() and 0 < int(port) < 2**16)
    if len(name) > 253 or len(port) > 5 or not is_port or not _HOST_PATTERN.match(name):
        raise ValidationError("Must be a host name in lower case, such as eyes.partner.example.")


def check_redirect_url(value: str) -> None:
    if len(value) > MAX_REDIRECT_URL_CHARACTERS:
        raise ValidationError("Must be at most 2,000 characters.")
    if not _URL_PATTERN.match(value):
        raise ValidationError("Must be a URL; percent-encode what is not a URL character.")
    try:
        parts = urlsplit(value)
        host, _port = parts.hostname or "", parts.port
    except ValueError:
        raise ValidationError("Must be a URL with a valid host and port.") from None
    if not host or not (parts.scheme == "https" or (parts.scheme == "http" and _is_loopback(host))):
        raise ValidationError("Must be an https URL, or an http URL on loopback.")
    if "@" in parts.netloc:
        raise ValidationError("Must not contain a user name or password.")


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


class CreateAuthenticationSchema(KeysSchema):
    """A CreateAuthenticationRequest."""

    redirect_url = String(validate=check_redirect_url)


class EnterExamSchema(Schema):
    """An EnterExamRequest; a malformed link passes here, and is then not found."""

    user_key = Raw()
    session_key = Raw()
    token = Raw()
    visit = String(required=True, validate=_VISIT)
    product = String(validate=one_of(*PRESCRIPTION_PRODUCTS))


class CreateCheckoutSchema(Schema):
    """A CreateCheckoutRequest."""

    exam_token = Raw()
    exam = String(required=True, validate=_EXAM_NAME)
    language = String()


class CompleteExamSchema(Schema):
    """A CompleteExamRequest."""

    exam_token = Raw()
    visual_acuity = Nested(VisualAcuitySchema)
    eye_health = Nested(EyeHealthSchema)

    @validates_schema(pass_original=True, skip_on_field_errors=False)
    def check_results(self, _: dict[str, Any], sent: Mapping[str, Any], **__: Any) -> None:
        """Require results, unless the person is referred."""
        require_results(sent)


CREATE_AUTHENTICATION = CreateAuthenticationSchema()
ENTER_EXAM = EnterExamSchema()
CREATE_CHECKOUT = CreateCheckoutSchema()
COMPLETE_EXAM = CompleteExamSchema()


def compute_link_expiry(now: datetime) -> datetime:
    """Return when a link that is created now expires, in whole seconds."""
    return now.replace(microsecond=0) + LINK_LIFETIME


def compute_exam_expiry(now: datetime) -> datetime:
    """Return when an exam that is entered now expires, in whole seconds."""
    return now.replace(microsecond=0) + EXAM_LIFETIME


def choose_mode(store_id: str | None) -> str | None:
    """Return how an exam is taken: in_store where the session names a store."""
    return IN_STORE if store_id else None


def derive_exam_token(token: str, visit: str) -> str:
    """Return the token of the exam that this visit opens with this link.

    The token follows from two secrets that only the visitor holds together. A visit
    that is repeated therefore gets the same token, although only its hash is stored.
    """
    digest = hashlib.sha256(f"exam {token} {visit}".encode()).digest()
    return base64.urlsafe_b64encode(digest).decode().rstrip("=")


def name_kiosk_link(user_key: str, session_key: str, now: datetime) -> str:
    """Return what the token of a kiosk's link is derived from: the same within a minute."""
    return f"kiosk {user_key} {session_key} {int(now.timestamp()) // KIOSK_SECONDS}"


def build_link(
    public_url: str, host: str | None, user_key: str, session_key: str, token: str
) -> str:
    """Return the link with this secret token; at the partner's host, if it has one."""
    if host:
        public_url = f"{urlsplit(public_url).scheme}://{host}"
    query = {"session_key": session_key, "user_key": user_key, "token": token}
    return f"{public_url}/login?{urlencode(query)}"


def build_exam_url(public_url: str, host: str | None, exam: str) -> str:
    """Return the page of an exam of this name, which a payment provider leads back to."""
    if host:
        public_url = f"{urlsplit(public_url).scheme}://{host}"
    return f"{public_url}/exam/{exam}"


def build_return_url(
    redirect_url: str,
    user_key: str,
    session_key: str,
    status: str,
    missing_requirements: Sequence[str],
) -> str:
    """Return the redirect_url with the state of the session appended to its query.

    The existing query stays unchanged, byte for byte, and the fragment stays last.
    Brackets are not percent-encoded, as in the contract's example.
    """
    before, mark, fragment = redirect_url.partition("#")
    state = [("user_key", user_key), ("session_key", session_key), ("status", status)]
    if status == Status.AWAITING_CONFIRMATION:
        state += [("missing_requirements[]", each) for each in missing_requirements]
    joint = "?" if "?" not in before else "" if before[-1] in "?&" else "&"
    return f"{before}{joint}{urlencode(state, safe='[]')}{mark}{fragment}"
