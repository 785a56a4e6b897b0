"""What a process tells Prometheus and probes, on a port of its own.

Nothing here is loaded where METRICS_LISTEN is not set. The other rooms know nothing of it: they
count in plain numbers, which are read at a scrape, or call an observer where one is set. Labels are
bounded (RPCs, codes, routes, outcomes); nothing that a caller sends becomes one.
"""
