"""Payments as messages, and statements of them."""
