"""A partner that sends people to vision tests.

python -m examples.partner create session-1          # prints the link for the person
python -m examples.partner prescriptions session-1   # prints what the doctor has dispensed
"""

import argparse
import json
import sys
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from examples.api import build_basic, call

API = "/api/v2/partners"
HEADERS = {"Authorization": build_basic("demo-partner", "demo-partner-secret")}
BODY = Path(__file__).parent.parent / "demo" / "session.json"


def create_session(session_key: str, order: dict[str, Any] | None = None) -> str:
    """Create a session for a person who qualifies; returns the link into the exam."""
    body = {**json.loads(BODY.read_text()), "session_key": session_key}
    if order is not None:
        body["order"] = order
    person = {name: body["user"][name] for name in ("birthdate", "region")}
    found = call("POST", f"{API}/qualifications", {"user": person}, headers=HEADERS)
    if not found["qualifies"]:
        sys.exit(f"This person does not qualify: {', '.join(found['disqualifications'])}")
    made = call("POST", f"{API}/sessions", body, key=f"session-{session_key}", headers=HEADERS)
    keys = {"user_key": made["user_key"], "session_key": session_key}
    # Without an Idempotency-Key: a link opens the exam once, so each request wants a new one.
    link: str = call("POST", f"{API}/authentications", keys, headers=HEADERS)["link"]
    return link


def list_prescriptions(session_key: str) -> list[dict[str, Any]]:
    """Return what a doctor has dispensed; ends the program before that."""
    user_key = json.loads(BODY.read_text())["user_key"]
    query = urlencode({"user_key": user_key, "session_key": session_key})
    session = call("GET", f"{API}/sessions?{query}", headers=HEADERS)
    if session["status"] != "approved":
        sys.exit(f"The session is {session['status']}.")
    found: list[dict[str, Any]] = session["data"]["dispensed_prescriptions"]
    return found


def main() -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="examples.partner")
    parser.add_argument("action", choices=["create", "prescriptions"])
    parser.add_argument("session_key")
    given = parser.parse_args()
    if given.action == "create":
        print(create_session(given.session_key))
    else:
        print(json.dumps(list_prescriptions(given.session_key)))


if __name__ == "__main__":
    main()
