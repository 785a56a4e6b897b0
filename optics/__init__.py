"""What the services compute alike: texts of names, powers of lenses, shared field rules.

Pure: no message, no row, no clock. The services' rules and documents import it; it imports
none of ours.
"""
