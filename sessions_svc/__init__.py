"""Owns partners with their stores and lens products, users, and their vision-test sessions."""
