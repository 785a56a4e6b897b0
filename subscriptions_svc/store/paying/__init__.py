"""Monthly payments, their ledger, and what is asked of payment providers."""
