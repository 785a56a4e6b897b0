"""Upkeep of a store: backups of SQLite, and what a doctor looks at."""
