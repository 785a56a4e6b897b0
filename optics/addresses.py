"""E-mail addresses that mail can be written to."""

from functools import lru_cache

from marshmallow import ValidationError
from marshmallow.validate import Email

NOT_AN_ADDRESS = "Must be an e-mail address, such as name@example.com."
MAX_LOCAL_PART_BYTES = 64  # RFC 5321, 4.5.3.1.1
MAX_DOMAIN_LENGTH = 253  # in ASCII: RFC 1035, 2.3.4, without the root
_EMAIL = Email()


def is_deliverable(address: str) -> bool:
    """Whether mail can be written to an address, which may be of any script (RFC 6531)."""
    local, _, domain = address.rpartition("@")
    try:
        _EMAIL(address)
        length = measure_domain(domain)
    except (ValidationError, UnicodeError):
        return False
    size = len(local.encode())
    return local.isprintable() and size <= MAX_LOCAL_PART_BYTES and length <= MAX_DOMAIN_LENGTH


@lru_cache(maxsize=1024)
def measure_domain(domain: str) -> int:
    """Return the length of a domain in ASCII; raises UnicodeError where it has no such form."""
    return len(domain.encode("idna"))


def check_email(address: str) -> None:
    """Raise ValidationError for what mail cannot be written to."""
    if not is_deliverable(address):
        raise ValidationError(NOT_AN_ADDRESS)
