"""The gRPC server of a service, and what surrounds its RPCs."""

import os

# gRPC reads it when it is imported, which all modules here do: docs/decisions/0014-polling.md.
os.environ.setdefault("GRPC_EXPERIMENTS", "-event_engine_listener")
