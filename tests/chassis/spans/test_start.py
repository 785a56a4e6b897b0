"""Whether traces are on is said by the standard variables of OpenTelemetry."""

import sys
import time

import pytest
from opentelemetry.sdk.trace import SpanProcessor

from chassis.spans import recording
from chassis.spans.start import FLUSH_SECONDS, NOT_INSTALLED, is_wanted, start, stop

ENDPOINT = {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:4318"}


@pytest.mark.parametrize(
    ("environment", "wanted"),
    [
        ({}, False),
        (ENDPOINT, True),
        ({"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://127.0.0.1:4318/v1/traces"}, True),
        ({"OTEL_TRACES_EXPORTER": "otlp"}, True),
        ({**ENDPOINT, "OTEL_TRACES_EXPORTER": "none"}, False),
        ({**ENDPOINT, "OTEL_SDK_DISABLED": "True"}, False),
        ({**ENDPOINT, "OTEL_SDK_DISABLED": "false"}, True),
        ({**ENDPOINT, "OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf"}, True),
        ({"OTEL_SERVICE_NAME": "orders", "OTEL_TRACES_SAMPLER": "always_on"}, False),
        ({"OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"}, False),
    ],
)
def test_it_works(environment: dict[str, str], wanted: bool) -> None:
    assert is_wanted(environment) is wanted


@pytest.mark.parametrize(
    "environment",
    [
        {"OTEL_TRACES_EXPORTER": "console"},
        {**ENDPOINT, "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"},
        {**ENDPOINT, "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL": "http/json"},
    ],
)
def test_what_is_not_supported_is_refused(environment: dict[str, str]) -> None:
    with pytest.raises(ValueError, match="must be"):
        start("orders", environment)
    assert recording.get_recorder() is None


def test_off_they_do_nothing() -> None:
    start("orders", {})
    assert recording.get_recorder() is None
    assert recording.inject() == {}
    assert recording.get_traceparent() is None
    with recording.record("a"):
        pass


def test_without_the_extra_it_is_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "opentelemetry.sdk.trace", None)
    with pytest.raises(ValueError, match="optigate\\[otel\\]") as refused:
        start("orders", ENDPOINT)
    assert str(refused.value) == NOT_INSTALLED


class Stuck(SpanProcessor):
    """A processor that never ends."""

    def shutdown(self) -> None:
        """Take long."""
        time.sleep(60)


def test_a_stop_is_bounded() -> None:
    start("orders", {}, Stuck())
    assert recording.get_recorder() is not None
    begun = time.monotonic()
    stop()
    assert FLUSH_SECONDS <= time.monotonic() - begun < 30
    assert recording.get_recorder() is None
