"""The life of an order: what its state allows, what became of it, what is made from it."""
