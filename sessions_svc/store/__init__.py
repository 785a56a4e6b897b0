"""Tables and queries, one file per noun.

`get_*` raises NotFound for a missing row, `find_*` does not; a conditional update
raises WrongState when the status of the row forbids it.
"""
