"""Rows to messages and event bodies."""
