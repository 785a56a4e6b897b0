"""What processes read from their environment, and when that forbids a start."""
