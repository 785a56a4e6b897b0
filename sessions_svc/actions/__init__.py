"""What a write does, one file per RPC."""
