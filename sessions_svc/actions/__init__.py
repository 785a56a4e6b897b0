"""What each write RPC does: one file per RPC, holding a function of the same name.

An action runs in the transaction that it is given.
"""
