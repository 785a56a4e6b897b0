"""Tables and the queries on them, one file per noun."""
