"""API accounts, merchants and their stores, subscriptions with their carts, and the box ledger."""
