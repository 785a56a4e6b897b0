"""The gRPC server of a service, and what surrounds its RPCs."""
