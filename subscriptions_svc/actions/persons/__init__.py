"""What is done to all that is kept of one person."""
