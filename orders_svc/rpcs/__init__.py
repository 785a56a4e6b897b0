"""What each RPC answers: one file per gRPC service."""
