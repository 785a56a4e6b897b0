"""What one part of a request costs by itself, in CPU time."""
