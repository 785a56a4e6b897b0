"""The demo: data for every service, example bodies, and the start of everything at once."""
