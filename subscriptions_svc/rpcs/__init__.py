"""One file per gRPC service: a method validates, opens the store, acts and answers."""
