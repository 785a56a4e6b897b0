"""Whether this process lives, and whether the services behind it answer."""

from concurrent.futures import ThreadPoolExecutor

import grpc
from flask import Blueprint, Response, jsonify, request
from grpc_health.v1 import health_pb2, health_pb2_grpc

from gateway.backends import STUBS, Backends, backends

bp = Blueprint("health", __name__)
PATIENCE = 0.3  # seconds
# In a WSGI environment: set while the worker drains.
DRAINING = "gateway.draining"


@bp.get("/livez")
def live() -> Response:
    return jsonify(status="ok")


@bp.get("/readyz")
def ready() -> tuple[Response, int]:
    if DRAINING in request.environ:
        return jsonify(status="draining"), 503
    behind = backends()
    with ThreadPoolExecutor(len(STUBS)) as pool:
        states = dict(zip(STUBS, pool.map(lambda name: _state(behind, name), STUBS), strict=True))
    ok = all(state == "ok" for state in states.values())
    return jsonify(status="ok" if ok else "failing", services=states), 200 if ok else 503


def _state(behind: Backends, name: str) -> str:
    stub = health_pb2_grpc.HealthStub(behind.channel(name, repeat=False))
    try:
        answer = stub.Check(health_pb2.HealthCheckRequest(), timeout=PATIENCE)
    except grpc.RpcError:
        return "unreachable"
    serving = answer.status == health_pb2.HealthCheckResponse.SERVING
    return "ok" if serving else "not serving"
