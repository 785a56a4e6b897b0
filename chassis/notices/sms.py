"""Messages as SMS, through an HTTP gateway of the operator's choice."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import msgspec
import urllib3

from chassis.notices.messages import Message, Undeliverable

HTTP_TIMEOUT_SECONDS = 10.0
PERMANENT_STATUSES = (400, 413, 422)  # they blame the message itself


@dataclass(frozen=True)
class SmsGateway:
    """An HTTP endpoint that accepts {"to", "text"} as JSON."""

    url: str
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)

    def send(self, message: Message) -> None:
        """POST the message; any 2xx accepts it, and redirects are not followed."""
        with urllib3.PoolManager() as pool:
            answer = pool.request(
                "POST",
                self.url,
                body=msgspec.json.encode({"to": message.to, "text": message.text}),
                headers={
                    "Content-Type": "application/json",
                    "User-Agent": "Optigate",
                    "Idempotency-Key": message.id,
                    **self.headers,
                },
                timeout=urllib3.Timeout(total=HTTP_TIMEOUT_SECONDS),
                retries=False,
                redirect=False,
                preload_content=False,
            )
            answer.close()
        if answer.status in PERMANENT_STATUSES:
            raise Undeliverable(str(answer.status))
        if not 200 <= answer.status < 300:
            raise ConnectionError(f"the SMS gateway answered {answer.status}")
