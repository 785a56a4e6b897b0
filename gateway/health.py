"""Liveness of this process, and readiness of the services behind it."""

from concurrent.futures import ThreadPoolExecutor

from flask import Blueprint, Response, jsonify, request
from google.protobuf.message import DecodeError
from grpc_health.v1.health_pb2 import HealthCheckResponse

from gateway.backends import SERVICES, Backends, backends
from gateway.channel import RpcError

bp = Blueprint("health", __name__)
CHECK = "/grpc.health.v1.Health/Check"
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
    with ThreadPoolExecutor(len(SERVICES)) as pool:
        checks = pool.map(lambda name: _check_service(services, name), SERVICES)
        states = dict(zip(SERVICES, checks, strict=True))
    ok = all(state == "ok" for state in states.values())
    return jsonify(status="ok" if ok else "failing", services=states), 200 if ok else 503


def _check_service(services: Backends, name: str) -> str:
    states = services.channels[name].states()
    if states and all(state == "hung" for state in states.values()):
        return "hung"
    if states and all(state == "failing" for state in states.values()):
        return "unreachable"  # for calls, until their own channel has connected again
    try:
        answers = services.probes[name].ask_each(
            CHECK, HealthCheckResponse, timeout=CHECK_TIMEOUT_SECONDS
        )
    except (RpcError, DecodeError):
        return "unreachable"
    # Health answers from a pool of its own, so it proves nothing where calls hang.
    found = [each.status for address, each in answers.items() if states.get(address) != "hung"]
    if not found:
        return "unreachable"
    return "ok" if HealthCheckResponse.SERVING in found else "not serving"
