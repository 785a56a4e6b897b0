"""Measurements: `python -m bench translate`."""
