"""The installed command `optigate`: the four processes, the demo, and what spans them.

It sits above the services and loads only the one that is asked for.
"""
