"""A worker's side: what is counted with each request, and what is written once a second."""

from collections import Counter as Tally
from collections.abc import Iterable, Mapping

from flask import Flask
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from chassis.background import BackgroundLoop
from chassis.metrics.readings import CALL_BUCKETS, LOST_LINES
from chassis.telemetry import count_lost_lines
from gateway.backends import Backends
from gateway.channel import Channel
from gateway.channel.addresses import STATES
from gateway.metrics.methods import METHODS, OTHER

NO_ROUTE = "none"
PUBLISH_SECONDS = 1.0


class Instruments:
    """The metrics of one worker."""

    def __init__(self, channels: Mapping[str, Channel], policies: Iterable[str]) -> None:
        self.channels = channels
        self.registry = CollectorRegistry()
        self._requests = Counter(
            "optigate_http_requests",
            "Answers.",
            ["route", "method", "status"],
            registry=self.registry,
        )
        self._seconds = Histogram(
            "optigate_http_request_seconds",
            "Time from the head of a request to its answer.",
            ["route", "method"],
            buckets=CALL_BUCKETS,
            registry=self.registry,
        )
        self._kept: dict[tuple[str | None, str, int], tuple[Counter, Histogram]] = {}
        refused = Counter(
            "optigate_gateway_calls_refused",
            "Calls not made: too many wait for the service, or it hangs.",
            ["service"],
            registry=self.registry,
        )
        self.refused = {name: refused.labels(name) for name in channels}
        limited = Counter(
            "optigate_rate_limit_refusals",
            "Requests beyond a rate limit.",
            ["policy"],
            registry=self.registry,
        )
        self.limited = {name: limited.labels(name) for name in policies}
        self._lost = Counter("optigate_log_lines_lost", LOST_LINES, registry=self.registry)
        self._lost_before = 0
        self._in_flight = Gauge(
            "optigate_gateway_calls_in_flight",
            "Calls of a service that wait for its answer.",
            ["service"],
            multiprocess_mode="livesum",
            registry=self.registry,
        )
        self._addresses = Gauge(
            "optigate_gateway_addresses",
            "Addresses of a service as workers see them; a hung one has an open circuit.",
            ["service", "state"],
            multiprocess_mode="livesum",
            registry=self.registry,
        )

    def observe_request(self, route: str | None, method: str, status: int, took: float) -> None:
        """Count an answer."""
        if (children := self._kept.get((route, method, status))) is None:
            children = self._find_children(route, method, status)
        children[0].inc()
        children[1].observe(took)

    def _find_children(
        self, route: str | None, method: str, status: int
    ) -> tuple[Counter, Histogram]:
        known = method if method in METHODS else OTHER
        shown = route or NO_ROUTE
        children = self._requests.labels(shown, known, status), self._seconds.labels(shown, known)
        if known == method:  # callers may invent others without end
            self._kept[route, method, status] = children
        return children

    def observe_limit(self, policy: str) -> None:
        """Count a request beyond a limit."""
        self.limited[policy].inc()

    def publish(self) -> None:
        """Write what is the case now."""
        for service, channel in self.channels.items():
            self._in_flight.labels(service).set(channel.count_waiting())
            tally = Tally(channel.states().values())
            for state in STATES:
                self._addresses.labels(service, state).set(tally[state])
        lost = count_lost_lines()
        self._lost.inc(lost - self._lost_before)
        self._lost_before = lost


def register(app: Flask) -> None:
    """Make the application count; `app.extensions["metrics"]` is the loop that publishes."""
    backends: Backends = app.extensions["backends"]
    instruments = Instruments(backends.channels, app.config["LIMITS"])
    app.extensions["observe_request"] = instruments.observe_request
    app.extensions["observe_limit"] = instruments.observe_limit
    for name, channel in backends.channels.items():
        channel.observe_refusal = instruments.refused[name].inc
    app.extensions["instruments"] = instruments
    loop = BackgroundLoop("metrics", instruments.publish, PUBLISH_SECONDS)
    app.extensions["metrics"] = loop
    loop.start()
