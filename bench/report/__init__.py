"""Measurements and their reports: samples, process usage, text tables, an HTML page."""
