"""Events: from the transaction that made a change to the endpoint of its owner."""
