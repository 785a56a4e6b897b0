"""The outcome of a comparison: its rows by work, memory, notes, and promises that were broken."""

from dataclasses import dataclass, field

from bench.report.measure import Rows

POST_ORDER = "POST /v1/orders"
GET_ORDER = "GET /v1/orders/:id"
GET_SUBSCRIPTION = "GET /api/public/v1/subscriptions/:id"
DIRECT = "CreateOrder by gRPC directly"
NULL_ROUTE, HOP, NULL_CALL = "null Flask route", "null Flask route + null RPC", "null RPC"
INSERT_CALL = "null RPC + a row inserted"
DRIVER_INSERT = "insert + commit, driver alone"
CORE_INSERT = "insert + commit, SQLAlchemy Core"
STACK_HOP = "stack: route + null RPC"
STACK_READ, STACK_INSERT = "stack: + a row read", "stack: + a row inserted"
FLOORS = (
    NULL_ROUTE,
    HOP,
    NULL_CALL,
    INSERT_CALL,
    DRIVER_INSERT,
    CORE_INSERT,
    STACK_HOP,
    STACK_READ,
    STACK_INSERT,
)
OPTIGATE = "optigate"
GATEWAY = "gateway"  # the process of that name, in Optigate and in the peer of its shape
Megabytes = dict[str, float]  # by process


@dataclass(frozen=True)
class Memory:
    """The PSS of one contender, in MB by process."""

    at_rest: Megabytes
    after_load: Megabytes


@dataclass
class Outcome:
    """What a run has measured."""

    machine: str = ""
    rate: float = 200.0  # of the open loop, requests per second
    rows: Rows = field(default_factory=Rows)
    memory: dict[str, dict[str, Memory]] = field(default_factory=dict)  # by engine and contender
    notes: list[str] = field(default_factory=list)
    broken: list[str] = field(default_factory=list)
    starts_once: bool = False  # memory is of contenders that ran side by side

    @property
    def memory_setting(self) -> str:
        """What ran while memory was measured."""
        return "all contenders up" if self.starts_once else "each contender alone"

    @property
    def open_loop(self) -> str:
        """The title of orders that arrive at a fixed rate."""
        return f"{POST_ORDER}, open loop at {self.rate:.0f}/s"
