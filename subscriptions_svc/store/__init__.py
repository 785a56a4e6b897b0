"""Tables and queries, one file per noun."""
