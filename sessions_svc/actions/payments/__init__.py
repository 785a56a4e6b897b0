"""What is paid for sessions of partners that have a price list."""
