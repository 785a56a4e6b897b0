"""Rules of dashboard users' passwords, and of the invitations to set one."""

import re
from datetime import timedelta

from marshmallow import Schema, ValidationError, fields

INVITATION_LIFETIME = timedelta(hours=72)  # over a weekend
MIN_LENGTH, MAX_LENGTH = 8, 255
MIN_DISTINCT_CHARACTERS = 5
# Tried first by whoever guesses, with or without digits and signs around them.
COMMON = frozenset(
    "password passwort passw0rd p@ssword p@ssw0rd qwerty qwertz qwertyui qwertyuiop azerty "  # noqa: SIM905 - a line for each
    "azertyuiop asdfghjk letmein welcome willkommen iloveyou administrator admin changeme "
    "default football baseball sunshine princess superman trustno1 whatever starwars optigate "
    "password-password abcd abcdefgh".split()
)
WEAK = "Is too easy to guess; use several words, or more different characters."
HASH = re.compile(
    r"(scrypt:[0-9]+:[0-9]+:[0-9]+|pbkdf2:sha(256|512):[0-9]+)\$[^$]+\$[0-9a-f]{32,}\Z"
)


def check_password(password: str) -> None:
    """Raise ValidationError for a password that is soon guessed."""
    if not MIN_LENGTH <= len(password) <= MAX_LENGTH:
        raise ValidationError(f"Length must be between {MIN_LENGTH} and {MAX_LENGTH}.")
    bare = password.lower().strip("0123456789!?.,-_#$%&*+ ")
    if bare in COMMON or len(set(password)) < MIN_DISTINCT_CHARACTERS or not bare:
        raise ValidationError(WEAK)


def check_password_hash(text: str) -> None:
    """Raise ValidationError unless this is a hash as `users hash` prints it."""
    if len(text) > 255 or not HASH.match(text):
        raise ValidationError("Must be a hash as `users hash` prints it.")


class GetInvitationRequestSchema(Schema):
    """A GetInvitationRequest; a token of another form is unknown, too."""

    token = fields.String(load_default="")


class AcceptInvitationRequestSchema(GetInvitationRequestSchema):
    """An AcceptInvitationRequest."""

    password = fields.String(required=True, validate=check_password)


GET_INVITATION_REQUEST = GetInvitationRequestSchema()
ACCEPT_INVITATION_REQUEST = AcceptInvitationRequestSchema()
