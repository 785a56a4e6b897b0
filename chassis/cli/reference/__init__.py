"""Reference data on the command line: reading its file, and what a load changed."""
