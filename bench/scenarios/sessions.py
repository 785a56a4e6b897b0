"""Vision-test sessions under load."""

import json

from google.protobuf.json_format import ParseDict

from bench.load.sockets import Address
from bench.scenarios.bodies import DEMO_CALLERS, Caller, build_http_request, build_keyed_session
from bench.scenarios.scenario import CreateOverGrpc, CreateOverHttp
from protos import sessions_pb2

PATH = "/api/v2/partners/sessions"
CREATE_SESSION = "/optigate.sessions.v1.SessionService/CreateSession"
PARTNER = DEMO_CALLERS["sessions"]


def create_sessions(address: Address, caller: Caller = PARTNER) -> CreateOverHttp:
    """POST /api/v2/partners/sessions."""
    headers = {"Authorization": caller.basic}
    request = build_http_request("POST", PATH, headers, build_keyed_session(), host=address[0])
    return CreateOverHttp(address, request)


def create_sessions_over_grpc(address: Address, caller: Caller = PARTNER) -> CreateOverGrpc:
    """CreateSession."""
    body = build_keyed_session()
    body["partner_info"] = json.dumps(body["partner_info"])
    message = ParseDict(body, sessions_pb2.CreateSessionRequest()).SerializeToString()
    return CreateOverGrpc(address, CREATE_SESSION, {"Authorization": caller.basic}, message)
