"""The load generator: requests made of bytes, over HTTP/1.1 and gRPC, from one thread."""
