"""Tables and queries, one file per noun.

`find_*` returns None for a missing row, `get_*` raises NotFound, and a conditional
update raises WrongState when the status of the row forbids it.
"""
