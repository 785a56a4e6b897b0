"""What a write does: one file per write RPC, and what time alone does."""
