"""HTTP of urllib3 over an existing connection to a checked address."""

import socket
from http.client import HTTPException

from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.exceptions import HTTPError

HTTP_ERRORS = (HTTPException, HTTPError)


class Plain(HTTPConnection):
    """HTTP over `sock_to_use`."""

    sock_to_use: socket.socket

    def _new_conn(self) -> socket.socket:
        return self.sock_to_use


class Secure(HTTPSConnection):
    """The same over TLS; the certificate is verified for the host name."""

    sock_to_use: socket.socket

    def _new_conn(self) -> socket.socket:
        return self.sock_to_use
