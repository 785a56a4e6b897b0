"""An endpoint of events: verifies them, drops duplicates, and prints each as a line of JSON.

WEBHOOK_SECRET=whsec_... python -m examples.receiver 8090
"""

import base64
import hmac
import json
import os
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs

MAX_BODY_BYTES = 1024 * 1024
TOLERANCE_SECONDS = 300
READ_SECONDS = 5


def is_genuine(secret: str, headers: dict[str, str], body: bytes) -> bool:
    """Whether Optigate sent this, and within the last minutes."""
    event_id, seconds = headers.get("webhook-id", ""), headers.get("webhook-timestamp", "")
    if not seconds.isdecimal() or abs(time.time() - int(seconds)) > TOLERANCE_SECONDS:
        return False
    key = base64.b64decode(secret.removeprefix("whsec_"))
    digest = hmac.digest(key, f"{event_id}.{seconds}.".encode() + body, "sha256")
    expected = b"v1," + base64.b64encode(digest)
    signatures = headers.get("webhook-signature", "").encode().split(b" ")
    return any(hmac.compare_digest(expected, each) for each in signatures)


def read_event(content_type: str, body: bytes) -> dict[str, Any]:
    """Return the fields of an event: those of subscriptions are forms unless you ask for JSON."""
    if content_type.startswith("application/x-www-form-urlencoded"):
        form = parse_qs(body.decode(), keep_blank_values=True)
        return {name: each if "[]" in name else each[0] for name, each in form.items()}
    fields: dict[str, Any] = json.loads(body)
    return fields


class Receiver(ThreadingHTTPServer):
    """The server, and the ids of the events that it has had; keep yours in your database."""

    daemon_threads = True

    def __init__(self, port: int, secret: str) -> None:
        super().__init__(("127.0.0.1", port), Handler)
        self.secret = secret
        self.ids: set[str] = set()
        self.lock = threading.Lock()

    def accept(self, event_id: str, fields: dict[str, Any]) -> None:
        """Print an event that is new."""
        with self.lock:
            if event_id not in self.ids:
                self.ids.add(event_id)
                print(json.dumps({"id": event_id, "fields": fields}), flush=True)


class Handler(BaseHTTPRequestHandler):
    """One event: 204 acknowledges it, anything else has it sent again later."""

    server: Receiver
    timeout = READ_SECONDS

    def do_POST(self) -> None:
        """Verify an event before anything of it is read."""
        length = self.headers.get("Content-Length", "")
        if not length.isdecimal() or int(length) > MAX_BODY_BYTES:
            return self.answer(413)
        body = self.rfile.read(int(length))
        headers = {name.lower(): value for name, value in self.headers.items()}
        if not is_genuine(self.server.secret, headers, body):
            return self.answer(401)
        fields = read_event(headers.get("content-type", ""), body)
        self.server.accept(headers["webhook-id"], fields)
        return self.answer(204)

    def answer(self, status: int) -> None:
        """Answer without a body."""
        self.send_response(status)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        """Standard output is for events alone."""


def main() -> None:
    """Serve until Ctrl-C."""
    receiver = Receiver(int(sys.argv[1]), os.environ["WEBHOOK_SECRET"])
    try:
        receiver.serve_forever()
    except KeyboardInterrupt:
        receiver.server_close()


if __name__ == "__main__":
    main()
