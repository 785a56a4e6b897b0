"""Calendars: hours and holidays of the people who work."""
