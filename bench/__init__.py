"""Measurements of Optigate beside its peers: `python -m bench`."""
