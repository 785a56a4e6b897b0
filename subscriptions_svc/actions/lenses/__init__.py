"""Writes about contact lenses, one file per action."""
