"""What surrounds an RPC: the gRPC server, health, accounts and idempotency keys."""
