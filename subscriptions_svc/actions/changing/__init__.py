"""What a shop changes of a subscription that lives, without its shopper."""
