"""Writes docs/reference/configuration.md, from schemas, options and the code that reads."""
