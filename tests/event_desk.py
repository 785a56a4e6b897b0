"""ListEvents and ReplayEvent, which are the same in each service, at work on one of them."""

import importlib
from datetime import UTC, datetime, timedelta
from typing import Any

from grpc import StatusCode
from sqlalchemy import update

from chassis.events.endpoints import EndpointSchema
from chassis.events.outbox import Event, Outbox
from chassis.events.states import DEAD, PENDING
from tests.serving import Served

CREATED = datetime(2026, 3, 1, 12, tzinfo=UTC)
ENDED = CREATED + timedelta(hours=36)
REPLAYED = CREATED + timedelta(days=3)
URL = "http://127.0.0.1:9/events"


class EventDesk:
    """Staff of a service, and an owner with an endpoint of their own."""

    def __init__(self, served: Served, owner: str) -> None:
        self.served, self.owner = served, owner
        self.pb: Any = importlib.import_module(f"protos.{served.name}_pb2")
        store = importlib.import_module(f"{served.name}_svc.store.tables")
        self.outbox: Outbox = store.outbox
        self.trail: Any = store.audit
        endpoint = EndpointSchema(["made"]).load({"url": f"{URL}?key=secret"})
        with served.database.write() as tx:
            self.outbox.endpoints.put(tx, owner, endpoint, CREATED)

    def add(self, stream: str, **values: Any) -> str:
        """Add an event, with other values in its row, and return its id."""
        event = Event(self.owner, stream, "made", '{"secret": 1}')
        with self.served.database.write() as tx:
            self.outbox.add(tx, event, CREATED)
            table = self.outbox.table
            changed = {"due_at": ENDED, **values}
            tx.execute(update(table).where(table.c.id == event.id).values(changed))
        return event.id

    def add_dead(self, stream: str) -> str:
        """Add an event that was given up."""
        return self.add(
            stream, state=DEAD, attempts=11, last_status=500, last_error="status", ended_at=ENDED
        )

    def list(self, **fields: Any) -> Any:
        """What staff see."""
        asked = self.pb.ListEventsRequest(**fields)
        return self.served.call("ListEvents", asked, "staff", desk=True)

    def replay(self, event_id: str, **metadata: Any) -> Any:
        """The event, which is to be delivered again."""
        asked = self.pb.ReplayEventRequest(event_id=event_id)
        with self.served.clock.at(REPLAYED):
            return self.served.call("ReplayEvent", asked, "staff", desk=True, **metadata)

    def refuse(self, rpc: str, who: str = "staff", **fields: Any) -> Any:
        """The refusal of a call."""
        asked = getattr(self.pb, f"{rpc}Request")(**fields)
        return self.served.refusal(rpc, asked, who, desk=True)


def check_events_are_listed(served: Served, owner: str) -> None:
    """Newest first, by owner and state, with what came of each and without its body."""
    desk = EventDesk(served, owner)
    dead, pending = desk.add_dead("one"), desk.add("two")
    found = desk.list(owner=owner)
    assert (found.endpoint_url, found.HasField("endpoint_disabled")) == (URL, False)
    common = {"owner": owner, "type": "made", "created": int(CREATED.timestamp())}
    assert list(found.data) == [
        desk.pb.Event(
            id=pending, stream="two", state=PENDING, due=int(ENDED.timestamp()), **common
        ),
        desk.pb.Event(
            id=dead,
            stream="one",
            state=DEAD,
            attempts=11,
            last_status=500,
            last_error="status",
            ended=int(ENDED.timestamp()),
            **common,
        ),
    ]
    assert "secret" not in str(found)
    assert [each.id for each in desk.list(owner=owner, state=DEAD).data] == [dead]
    assert [each.id for each in desk.list(limit=1).data] == [pending]
    assert desk.list(owner=f"{owner}-other") == desk.pb.ListEventsResponse()
    for fields, path in (
        ({"owner": "x" * 256}, "owner"),
        ({"owner": "\0"}, "owner"),
        ({"state": "lost"}, "state"),
        ({"limit": 0}, "limit"),
        ({"limit": 101}, "limit"),
    ):
        assert [each.path for each in desk.refuse("ListEvents", **fields).faults] == [path]
    for who in ("client", "other"):
        refused = desk.refuse("ListEvents", who, owner=owner)
        assert refused.code is StatusCode.PERMISSION_DENIED
    assert desk.refuse("ListEvents", "", owner=owner).code is StatusCode.UNAUTHENTICATED


def check_an_event_is_replayed(served: Served, owner: str) -> None:
    """Once for a key, by staff alone, and not to a disabled endpoint; it is in the audit trail."""
    desk = EventDesk(served, owner)
    dead = desk.add_dead(f"stream-{owner}")
    for who in ("client", "other"):
        refused = desk.refuse("ReplayEvent", who, event_id=dead)
        assert refused.code is StatusCode.PERMISSION_DENIED
    assert desk.list(owner=owner).data[0].state == DEAD
    replayed = desk.replay(dead, idempotency_key=owner, x_request_id=owner)
    assert replayed == desk.list(owner=owner).data[0]
    assert (replayed.state, replayed.attempts) == (PENDING, 0)
    assert replayed.due == int(REPLAYED.timestamp())
    assert (replayed.last_status, replayed.HasField("ended")) == (500, False)
    assert desk.replay(dead, idempotency_key=owner) == replayed
    with served.database.read() as tx:
        entries = desk.trail.find(tx, id_=f"stream-{owner}", limit=10)
    assert "ReplayEvent" in {entry.rpc.rpartition("/")[2] for entry in entries}
    for event_id, path in (("", "event_id"), (" ", "event_id"), ("x" * 65, "event_id")):
        refused = desk.refuse("ReplayEvent", event_id=event_id)
        assert [each.path for each in refused.faults] == [path]
    assert desk.refuse("ReplayEvent", event_id="evt_unknown").code is StatusCode.NOT_FOUND
    with served.database.write() as tx:
        desk.outbox.endpoints.disable(tx, owner, f"{URL}?key=secret", ENDED)
    assert desk.refuse("ReplayEvent", event_id=dead).reason == "WRONG_STATE"
    found = desk.list(owner=owner)
    assert found.endpoint_disabled == int(ENDED.timestamp())
