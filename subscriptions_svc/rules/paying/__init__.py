"""Monthly payments: their states, and files of a provider's results."""
