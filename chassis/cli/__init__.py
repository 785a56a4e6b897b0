"""The commands that every service has.

`--help` answers at once, `health` needs no store, and a command loads what it uses: so `main` knows
a service by its name, commands ask an `Invocation` for the service and its store, and what only one
command works with is imported in its function.
"""
