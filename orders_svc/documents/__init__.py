"""Rows as messages, drawings, job text and events."""
