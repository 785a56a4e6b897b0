"""An optician's software that orders glasses from a lab.

python -m examples.partner prescriptions session-1 |
  python -m examples.optician order 1001             # prints the id of the order
python -m examples.optician show ord_...             # prints its status and that of the lab
"""

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from examples.api import call

CLIENT = {"client_id": "demo-client", "client_secret": "demo-client-secret"}
USER = "optician@example.com"
BODY = Path(__file__).parent.parent / "demo" / "order.json"
POWERS = ("sphere", "cylinder", "axis", "add")


def log_in() -> dict[str, str]:
    """Exchange the client's credentials for a token; returns the headers of calls."""
    token = call("POST", "/v1/oauth/token", CLIENT, headers={})["token"]
    return {"Authorization": f"Bearer {token}", "User-Email": USER}


def build_order(prescriptions: list[dict[str, Any]]) -> dict[str, Any]:
    """Return the order of a pair of glasses: the doctor's powers, the optician's measurements."""
    glasses = next((each for each in prescriptions if each["type"] == "glasses"), None)
    if glasses is None:
        sys.exit("There is no prescription for glasses.")
    body: dict[str, Any] = json.loads(BODY.read_text())
    for side, measured in body["rx"].items():
        eye = glasses[side]
        powers = {name: eye[name] for name in POWERS if eye[name] is not None}
        body["rx"][side] = {
            **{name: value for name, value in measured.items() if name not in POWERS},
            **powers,
            "pd": eye["pupillary_distance"],
        }
    return body


def main() -> None:
    """Read the command line, and for an order the prescriptions."""
    parser = argparse.ArgumentParser(prog="examples.optician")
    parser.add_argument("action", choices=["order", "show"])
    parser.add_argument("number", help="your own number of the order; for show, its id")
    given = parser.parse_args()
    headers = log_in()
    if given.action == "order":
        body, key = build_order(json.load(sys.stdin)), f"order-{given.number}"
        made = call("POST", "/v1/orders", body, key=key, headers=headers)
        for warning in made.get("warnings", []):
            print(f"{warning['code']}: {warning['message']}", file=sys.stderr)
        print(made["id"])
    else:
        order = call("GET", f"/v1/orders/{given.number}", headers=headers)
        print(order["lab_status"])


if __name__ == "__main__":
    main()
