"""The gateway's own certificate for HTTPS, read again when its files change."""

import ssl
from contextlib import suppress
from pathlib import Path
from typing import Any

from gunicorn.sock import ssl_context


class Certificates:
    """gunicorn's TLS context; while changed files cannot be read together, the last one stays."""

    def __init__(self, cfg: Any) -> None:
        self._cfg = cfg
        names = (cfg.certfile, cfg.keyfile, cfg.ca_certs)
        self._paths = [Path(name) for name in names if name]
        self._stamps = self._stamp()
        self._context: ssl.SSLContext = ssl_context(cfg)

    def context(self) -> ssl.SSLContext:
        """Return the context for the next connection."""
        with suppress(OSError):  # ssl.SSLError is one
            if (stamps := self._stamp()) != self._stamps:
                self._context, self._stamps = ssl_context(self._cfg), stamps
        return self._context

    def _stamp(self) -> tuple[tuple[int, int, int], ...]:
        found = (path.stat() for path in self._paths)
        return tuple((each.st_mtime_ns, each.st_size, each.st_ino) for each in found)
