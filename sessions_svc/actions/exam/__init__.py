"""What happens in the exam, from the door to its result."""
