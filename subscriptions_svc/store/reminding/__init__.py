"""Reminders: when a subscription was looked at, and who wants none."""
