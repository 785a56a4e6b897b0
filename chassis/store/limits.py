"""Bounds of both engines."""

LOCK_WAIT_SECONDS = 5  # for another writer
