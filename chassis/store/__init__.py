"""A service's own store: engines, shared commits, migrations, and the cache of reference data."""
