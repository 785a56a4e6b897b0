"""Computations that the services share: names, lens powers and field rules.

Pure: no message, no row, no clock. The services' rules and documents import it; it imports
none of ours.
"""
