"""The person of the chain: the user of the demo's session."""

import json
from typing import Any

from examples import partner


def read_person() -> dict[str, Any]:
    """Return names and address of the person."""
    user: dict[str, Any] = json.loads(partner.BODY.read_text())["user"]
    return user
