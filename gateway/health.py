"""Liveness of this process, and readiness of the services behind it."""

from concurrent.futures import ThreadPoolExecutor

import grpc
from flask import Blueprint, Response, jsonify, request
from grpc_health.v1 import health_pb2, health_pb2_grpc

from gateway.backends import STUBS, Backends, backends

bp = Blueprint("health", __name__)
CHECK_TIMEOUT_SECONDS = 0.3
# In a WSGI environment: set while the worker drains.
DRAINING = "gateway.draining"


@bp.get("/livez")
def get_livez() -> Response:
    return jsonify(status="ok")


@bp.get("/readyz")
def get_readyz() -> tuple[Response, int]:
    if DRAINING in request.environ:
        return jsonify(status="draining"), 503
    services = backends()
    with ThreadPoolExecutor(len(STUBS)) as pool:
        checks = pool.map(lambda name: _check_service(services, name), STUBS)
        states = dict(zip(STUBS, checks, strict=True))
    ok = all(state == "ok" for state in states.values())
    return jsonify(status="ok" if ok else "failing", services=states), 200 if ok else 503


def _check_service(services: Backends, name: str) -> str:
    stub = health_pb2_grpc.HealthStub(services.channel(name, repeat=False))
    try:
        answer = stub.Check(health_pb2.HealthCheckRequest(), timeout=CHECK_TIMEOUT_SECONDS)
    except grpc.RpcError:
        return "unreachable"
    serving = answer.status == health_pb2.HealthCheckResponse.SERVING
    return "ok" if serving else "not serving"
