"""What was agreed on: the term of a subscription, and its discounts."""
