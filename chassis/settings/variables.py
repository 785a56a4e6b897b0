"""Environment variables: secrets that may be in files, and the kind of environment."""

from collections.abc import Mapping
from pathlib import Path
from urllib.parse import urlsplit

ENVIRONMENTS = ("development", "test", "staging", "production")
PRODUCTION = "production"
DEFAULT_PUBLIC_URL = "http://127.0.0.1:8080"
MAX_SECRET_BYTES = 64 * 1024


def read_secret(environment: Mapping[str, str], name: str) -> str:
    """Return a variable, or the content of the file that its `_FILE` names; "" for neither.

    A line end at the end of the file is left out. Raises ValueError for both at once, and for a
    file that cannot be read.
    """
    value, file = environment.get(name, ""), environment.get(f"{name}_FILE", "")
    if not file:
        return value
    if value:
        raise ValueError(f"{name} and {name}_FILE are both set; set one of them.")
    return read_secret_file(Path(file), f"{name}_FILE")


def read_secret_file(file: Path, name: str) -> str:
    """Return the text of a file without the line end at its end; raises ValueError."""
    try:
        with file.open("rb") as opened:
            packed = opened.read(MAX_SECRET_BYTES + 1)
        text = packed.decode().removesuffix("\n").removesuffix("\r")
    except UnicodeDecodeError:
        raise ValueError(f"{name}: {file} is not text in UTF-8.") from None
    except (OSError, ValueError) as error:  # the latter for NUL in its name
        raise ValueError(f"{name}: {error}") from None
    if not text or "\0" in text or len(packed) > MAX_SECRET_BYTES:
        raise ValueError(f"{name}: {file} must hold one secret of at most 64 KiB.")
    return text


def is_production(environment: Mapping[str, str]) -> bool:
    """Return whether ENVIRONMENT is production; raises ValueError for an unknown one."""
    name = environment.get("ENVIRONMENT", "").lower()
    if name and name not in ENVIRONMENTS:
        raise ValueError(f"ENVIRONMENT must be one of: {', '.join(ENVIRONMENTS)}.")
    return name == PRODUCTION


def check_public_url(url: str) -> str:
    """Return the URL without a slash at its end; raises ValueError unless links can begin so."""
    try:
        parts = urlsplit(url)
        _port = parts.port
    except ValueError:
        parts = urlsplit("")
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.fragment:
        raise ValueError("GATEWAY_PUBLIC_URL must be an http or https URL.")
    return url.rstrip("/")
