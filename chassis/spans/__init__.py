"""Traces: spans of calls, statements and deliveries, for OpenTelemetry where it is configured.

    recording  what the rest of Optigate calls; loads nothing of OpenTelemetry
    recorder   makes spans; loaded where traces are on
    start      turns traces on, by the OTEL_ variables of the environment

No span has patient data: neither paths nor query strings, parameters of statements, nor texts of
errors.
"""
