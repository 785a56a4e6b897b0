"""Reminders: which of them are due."""
