"""What is done to monthly payments."""
