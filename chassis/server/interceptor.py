"""The interceptor around every RPC of a service.

It finds the caller, replays the response kept under an idempotency key, turns
refusals into statuses and logs one line per call.
"""

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from time import monotonic
from typing import Any, NoReturn

import grpc
from google.protobuf.descriptor import ServiceDescriptor
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass
from grpc_status import rpc_status

from chassis.context import (
    REQUEST_ID_PATTERN,
    Call,
    begin_call,
    check_idempotency_key,
    end_call,
    generate_request_id,
)
from chassis.errors import Invalid, Refusal, TooManyCalls, encode
from chassis.messages.reader import MALFORMED
from chassis.server.accounts import Authenticate, require_role
from chassis.server.arrivals import Arrivals
from chassis.server.idempotency import IdempotencyKeys, KeyTaken, fingerprint
from chassis.server.spans import begin_span, end_span
from chassis.settings.roles import CLIENT, STAFF
from chassis.store.conflicts import repeat_on_conflict
from chassis.store.database import Database
from chassis.store.errors import find_database_error
from chassis.telemetry import describe, log

MAX_CALLS = 128  # at work or waiting, of the service's own RPCs
Method = Callable[[Message, grpc.ServicerContext], Message]
EndCall = Callable[[Call, str | None], None]  # with the reason of a refusal
ObserveCall = Callable[[str, str, float], None]  # RPC, code, seconds


def ignore(_call: Call, _reason: str | None) -> None:
    """Do nothing at the end of a call."""


class CallInterceptor(grpc.ServerInterceptor):
    """Serves every RPC of a service's own; health and reflection pass through."""

    def __init__(
        self,
        database: Database,
        idempotency_keys: IdempotencyKeys,
        authenticate: Authenticate,
        services: Iterable[ServiceDescriptor],
        open_rpcs: frozenset[str],
        arrivals: Arrivals,
        max_calls: int = MAX_CALLS,
        optimistic_rpcs: frozenset[str] = frozenset(),
        end_call: EndCall = ignore,
        observe_call: ObserveCall | None = None,
    ) -> None:
        self.database = database
        self.idempotency_keys = idempotency_keys
        self.authenticate = authenticate
        self.open_rpcs = open_rpcs
        self.optimistic_rpcs = optimistic_rpcs
        self.arrivals = arrivals
        self.pool = arrivals.pool
        self.max_calls = max_calls
        self.end_call = end_call
        self.observe_call = observe_call
        self.refused = 0  # calls that found too many admitted
        self.refusals = ThreadPoolExecutor(1, thread_name_prefix="refusals")
        self._refusing: grpc.RpcMethodHandler[Any, Any] = grpc.stream_unary_rpc_method_handler(
            _build_refusal_handler(self.refusals)
        )
        self.roles: dict[str, str] = {}
        self.responses: dict[str, type[Message]] = {}
        self.handlers: dict[
            str, grpc.RpcMethodHandler[Any, Any]
        ] = {}  # made at the first call of each
        for service in services:
            role = find_role(service)
            for method in service.methods:
                rpc = f"/{service.full_name}/{method.name}"
                self.roles[rpc] = role
                self.responses[rpc] = GetMessageClass(method.output_type)

    def intercept_service(self, continuation: Any, details: grpc.HandlerCallDetails) -> Any:
        """Admit a call of the service's own, or refuse it where too many are at work or wait."""
        rpc = details.method
        if rpc not in self.responses:
            return continuation(details)
        handler = self.handlers.get(rpc) or self._wrap(rpc, continuation(details))
        if self.admitted >= self.max_calls:
            self.refused += 1
            return self._refusing
        return handler

    @property
    def admitted(self) -> int:
        """How many calls are at work or wait for a thread, those that are silent left out."""
        return max(0, self.pool.unfinished - self.pool.silent)

    def _wrap(self, rpc: str, handler: Any) -> Any:
        """Make the handler of an RPC, once."""
        method = handler.unary_unary

        def receive(requests: Iterator[Message], context: grpc.ServicerContext) -> Message:
            request = self.arrivals.receive(requests, context)
            if request is None:
                _abort(context, Invalid("The call has no message.", reason=MALFORMED))
            return self._serve(method, rpc, request, context)

        receive.experimental_thread_pool = self.arrivals  # type: ignore[attr-defined]  # where grpcio looks
        wrapped = self.handlers[rpc] = grpc.stream_unary_rpc_method_handler(
            receive,
            request_deserializer=handler.request_deserializer,
            response_serializer=handler.response_serializer,
        )
        return wrapped

    def _serve(
        self, method: Method, rpc: str, request: Message, context: grpc.ServicerContext
    ) -> Message:
        metadata = {
            name: value
            for name, value in context.invocation_metadata() or ()
            if isinstance(value, str)
        }
        given = metadata.get("x-request-id", "")
        request_id = given if REQUEST_ID_PATTERN.fullmatch(given) else generate_request_id()
        call = Call(rpc, request_id, metadata, context)
        begin_call(call)
        span = begin_span(rpc, metadata)
        reason: str | None = None
        line: dict[str, Any] = {"rpc": call.rpc, "request_id": request_id, "code": "OK"}
        try:
            call.ensure_awaited()
            response = self._respond(method, call, request, context)
            if call.replayed:
                line["replayed"] = True
                context.set_trailing_metadata((("idempotent-replayed", "true"),))
            elif call.version is not None:
                context.set_trailing_metadata((("row-version", str(call.version)),))
            return response
        except Refusal as refusal:
            reason = refusal.reason
            line |= {"code": refusal.code.name, "reason": reason}
            if name := find_database_error(refusal):
                line["database_error"] = name
            _abort(context, refusal)
        except BaseException as error:  # noqa: BLE001 - the caller gets only an id
            line |= {"code": "INTERNAL", **describe(error)}
            reason = Refusal.reason
            _abort(context, Refusal(f"Something went wrong; its id is {request_id}."))
        finally:
            if call.repeats:
                line["repeats"] = call.repeats
            line["account"] = call.account.name if call.account else None
            if span is not None:
                line["trace_id"] = span.trace_id
                end_span(span, line)
            seconds = monotonic() - call.started
            log().info("rpc", ms=round(seconds * 1000, 1), **line)
            if self.observe_call is not None:
                self.observe_call(call.rpc, line["code"], seconds)
            self.end_call(call, reason)
            end_call()

    def _respond(
        self, method: Method, call: Call, request: Message, context: grpc.ServicerContext
    ) -> Message:
        """Return the response kept under the idempotency key, or a new one."""
        if call.rpc not in self.open_rpcs:
            call.account = self.authenticate(call)
            if call.account:
                require_role(call.account, self.roles[call.rpc])
        if "idempotency-key" not in call.metadata:
            return repeat_on_conflict(lambda: method(request, context))
        check_idempotency_key(call.metadata["idempotency-key"])
        call.idempotency_key = call.metadata["idempotency-key"]
        call.fingerprint = fingerprint(call, request)
        if call.account is None:
            return repeat_on_conflict(lambda: method(request, context))
        if call.rpc not in self.optimistic_rpcs and (kept := self._find_kept(call)):
            return kept
        ids = list(call.ids)
        try:
            return repeat_on_conflict(lambda: method(request, context))
        except Refusal as refusal:
            # A twin has succeeded, before or meanwhile: then return its response.
            refused_ids, call.ids = call.ids, ids
            if kept := self._find_kept(call):
                return kept
            if not isinstance(refusal, KeyTaken):
                call.ids = refused_ids
                raise
        # The key has expired since it was found taken.
        call.is_audited = False
        return repeat_on_conflict(lambda: method(request, context))

    def _find_kept(self, call: Call) -> Message | None:
        kept = self.idempotency_keys.find(self.database, call, self.responses[call.rpc])
        call.replayed = kept is not None
        return kept


def find_role(service: ServiceDescriptor) -> str:
    """Return the role that a service's callers need: its option `optigate.v1.role`."""
    option: Any = service.file.pool.FindExtensionByName("optigate.v1.role")
    number: int = service.GetOptions().Extensions[option]
    try:
        return {1: CLIENT, 2: STAFF}[number]
    except KeyError:
        raise LookupError(f"{service.full_name} has no option optigate.v1.role") from None


def _build_refusal_handler(
    pool: ThreadPoolExecutor,
) -> Callable[[Any, grpc.ServicerContext], NoReturn]:
    """Return a function that refuses a call in `pool`, so refusals do not queue behind the load."""

    def refuse(_requests: Any, context: grpc.ServicerContext) -> NoReturn:
        _abort(context, TooManyCalls("Too many calls are waiting; try again."))

    refuse.experimental_thread_pool = pool  # type: ignore[attr-defined]  # where grpcio looks
    return refuse


def _abort(context: grpc.ServicerContext, refusal: Refusal) -> NoReturn:
    context.abort_with_status(rpc_status.to_status(encode(refusal)))
