"""What is sent to patients."""
