"""One file per gRPC service: validate, open, act, answer."""
