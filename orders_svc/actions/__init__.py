"""What each write RPC does: one file per RPC, named after it."""
