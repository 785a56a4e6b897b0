"""What is measured: each experiment starts what it needs, loads it, and ends it."""
