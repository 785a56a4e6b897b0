"""Warnings about orders: their codes, their limits, and what finds them."""
