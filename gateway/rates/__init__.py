"""Rate limits: how many requests count for what, and what happens beyond."""
