"""What becomes of an order: its history, requests to cancel it, its transmission."""
