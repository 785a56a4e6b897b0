"""Unary gRPC over HTTP/2, on plain sockets: as much as the gateway needs.

It uses sockets, threads and locks, which are gevent's in the gateway's worker and
the system's elsewhere; neither gevent nor grpc is imported. A channel is made where
it is used: after gevent has patched, and in the process that calls.

    channel     a call: which address, how long, how often
     addresses  one address: its connection, its backoff, its breaker
      connection  HTTP/2: streams, windows, settings, keepalive, GOAWAY
       streams    one attempt at a call, and how it ended
       headers    header blocks; frames: the bytes of frames
       wire, tls  the socket
     resolver   the addresses of a target

What is raised:

    RpcError    the call failed; `code` says how
     +- Refused  by the channel itself, before anything was sent
    ValueError  the target or the metadata is malformed
"""

from gateway.channel.channel import Answer, Channel, Refused, RpcError
from gateway.channel.tls import Tls

__all__ = ["Answer", "Channel", "Refused", "RpcError", "Tls"]
