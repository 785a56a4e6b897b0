"""One file per gRPC service; a method validates, opens a transaction, acts and answers."""
