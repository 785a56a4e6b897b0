"""What the gateway tells Prometheus and probes: counted in its workers, served by their parent.

Workers count in files of a folder that all of them share (prometheus_client's multiprocess mode);
the parent adds them up in a thread of its own, so that no scrape ever runs in a worker's loop.
But for `spans` and `methods` nothing here is loaded where METRICS_LISTEN is not set.
"""
