"""One HTTP call to a provider: to a checked address, in bounded time, with a bounded answer."""

import ssl
from dataclasses import dataclass
from functools import cached_property
from time import monotonic
from urllib.parse import urlsplit

from chassis.events.addresses import AttemptFailed
from chassis.events.courier import open_connection
from chassis.payments.providers import CallFailed

CALL_SECONDS = 20.0  # from the look-up of the name to the last byte of the answer
MAX_ANSWER_BYTES = 256 * 1024
# Statuses that refuse the request itself: the same one is refused again.
LASTING_STATUSES = (400, 402, 403, 404, 405, 410, 413, 422)


@dataclass(frozen=True)
class Caller:
    """Makes calls to public addresses only, or with `private` to any; follows no redirect."""

    private: bool = False
    timeout: float = CALL_SECONDS

    @cached_property
    def tls(self) -> ssl.SSLContext:
        """The context of every https connection."""
        return ssl.create_default_context()

    def post(self, url: str, headers: dict[str, str], body: bytes) -> bytes:
        """Return the body of a 2xx answer; raises CallFailed for everything else."""
        # A service whose owners record payments by hand does without urllib3.
        from chassis.events.connections import HTTP_ERRORS

        deadline = monotonic() + self.timeout
        try:
            status, answer = self._post(url, headers, body, deadline)
        except AttemptFailed as failure:
            raise CallFailed(failure.reason) from None
        except (OSError, *HTTP_ERRORS) as error:
            late = monotonic() >= deadline or isinstance(error, TimeoutError)
            raise CallFailed("timeout" if late else "unreachable") from None
        if 200 <= status < 300:
            return answer
        raise CallFailed(f"status {status}", lasting=status in LASTING_STATUSES)

    def _post(
        self, url: str, headers: dict[str, str], body: bytes, deadline: float
    ) -> tuple[int, bytes]:
        parts = urlsplit(url)
        opened = open_connection(parts, deadline, private=self.private, tls=self.tls)
        with opened as connection:
            connection.request("POST", parts.path or "/", body, headers, preload_content=False)
            answer = connection.getresponse()
            received = answer.read(MAX_ANSWER_BYTES + 1)
        if monotonic() >= deadline:  # then the answer may be cut off and look complete
            raise TimeoutError
        if len(received) > MAX_ANSWER_BYTES:
            raise CallFailed("answer too long")
        return answer.status, received
