"""The load's requests and bodies, and the promises checked during it."""
