"""Lists of subscriptions, and the words that a search looks for."""
