"""Load on the three APIs: each write has a key, and is repeated until it is answered."""

import http.client
import json
import random
import threading
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from protos.sessions_pb2_grpc import SessionDeskServiceStub
from tests.chaos.campaign.desk import PAUSE_SECONDS, call_desk
from tests.chaos.campaign.ledger import Entry, Ledger
from tests.chaos.campaign.shop import Shop
from tests.chaos.campaign.stage import RPC_SECONDS, Stage
from tests.chaos.product import ROOT, WRITES, Answer, Caller, wait_for
from tests.sessions_svc.desk import build_request

CLIENT_SECONDS = 2.0 * RPC_SECONDS  # a client gives up an answer, and asks again
REPEAT_CHANCE = 0.1  # of an acknowledged write, to compare the answers
UNSETTLED = {401, 408, 409, 425, 429}  # not an answer to the write itself
WRITERS = {"orders": 1, "sessions": 1, "subscriptions": 2}


@dataclass
class Client:
    """One client of the APIs, with one connection at a time."""

    stage: Stage
    ledger: Ledger
    ended: threading.Event
    caller: Caller = field(init=False)
    token: str = ""

    def __post_init__(self) -> None:
        self.caller = Caller(self.stage.front, CLIENT_SECONDS)

    def write(self, service: str, method: str, path: str, body: Any, key: str) -> Answer:
        """The answer to a write, which is sent under one key until there is one."""
        return self.persist(
            service, method, path, body, idempotency_key=key, x_request_id=key.replace(":", "-")
        )

    def persist(self, service: str, method: str, path: str, body: Any, **headers: str) -> Answer:
        """The answer to a request, however often it has to be sent."""
        found: list[Answer] = []

        def is_answered() -> bool:
            answer = self._try(service, method, path, body, headers)
            if answer is not None:
                found.append(answer)
            return answer is not None

        wait_for(is_answered, f"{method} {path} is not answered")
        return found[0]

    def _try(
        self, service: str, method: str, path: str, body: Any, headers: dict[str, str]
    ) -> Answer | None:
        try:
            if service == "orders" and not self.token:
                self.token = self._fetch_token()
            own = self.stage.product.credentials(service)
            if service == "orders":
                own["authorization"] = f"Bearer {self.token}"
            answer = self.caller.ask(method, path, body, **own, **headers)
        except (OSError, http.client.HTTPException) as error:
            self.caller.close()
            self.ledger.fail(type(error).__name__)
            self.ended.wait(PAUSE_SECONDS)
            return None
        if answer.status < 500 and answer.status not in UNSETTLED:
            return answer
        if answer.status == 401:
            self.token = ""
        self.ledger.fail(str(answer.status))
        self.ended.wait(PAUSE_SECONDS)
        return None

    def _fetch_token(self) -> str:
        name = "demo-client"
        body = {"client_id": name, "client_secret": f"{name}-secret"}
        answer = self.caller.ask("POST", "/v1/oauth/token", body)
        if answer.status != 200:
            raise http.client.HTTPException(f"no token: {answer.status}")
        return str(answer.json()["token"])


class Load:
    """Writers of each API, until they are stopped."""

    def __init__(self, stage: Stage, pause_seconds: float) -> None:
        """Each writer pauses after a write."""
        self.stage = stage
        self.pause_seconds = pause_seconds
        self.ledger = Ledger()
        self.errors: list[str] = []
        self.shop = Shop(stage, self.ledger)
        self.ended = threading.Event()
        self._going = threading.Event()
        self._going.set()
        self._idle = threading.Semaphore(0)
        self._writers: dict[str, Callable[[Client], None]] = {
            "orders": self._write_order,
            "sessions": self._write_session,
            "subscriptions": self.shop.trade,
        }
        self.threads = [
            threading.Thread(target=self._run, args=(service,), daemon=True)
            for service, count in WRITERS.items()
            for _ in range(count)
        ]
        for thread in self.threads:
            thread.start()

    def _run(self, service: str) -> None:
        client = Client(self.stage, self.ledger, self.ended)
        try:
            while not self.ended.is_set():
                if not self._going.is_set():
                    self._idle.release()
                    self._going.wait()
                self._writers[service](client)
                if random.random() < REPEAT_CHANCE:
                    self.repeat(client, service)
                self.ended.wait(self.pause_seconds)
        except BaseException as error:
            self.errors.append(f"{service}: {error!r}")
            raise
        finally:
            client.caller.close()

    def _write_order(self, client: Client) -> None:
        key = uuid.uuid4().hex
        body = read_body("order") | {"special_instructions": key}
        answer = client.write("orders", "POST", WRITES["orders"][0], body, key)
        self.note("orders", key, WRITES["orders"][0], body, answer)

    def _write_session(self, client: Client) -> None:
        key = uuid.uuid4().hex
        body = read_body("session") | {"session_key": key, "user_key": f"user-{key}"}
        answer = client.write("sessions", "POST", WRITES["sessions"][0], body, key)
        self.note("sessions", key, WRITES["sessions"][0], body, answer)
        address = self.stage.product.addresses["SESSIONS_LISTEN"]
        for rpc in ("StartExam", "SubmitExam"):
            request = build_request(rpc, key)
            own_key = f"{key}-{rpc}"
            call_desk(self.ledger, address, SessionDeskServiceStub, rpc, request, own_key)

    def note(self, kind: str, key: str, path: str, body: Any, answer: Answer) -> None:
        """Note an acknowledged write; any refusal is an error of the test."""
        assert answer.status == 201, (kind, answer)
        entry = Entry(kind, key, path, body, answer.json(), self.ledger.era)
        self.ledger.acknowledge(entry)

    def repeat(self, client: Client, service: str) -> None:
        """Send an acknowledged write again, under its key."""
        kinds = ("subscriptions", "boxes") if service == "subscriptions" else (service,)
        era = self.ledger.era
        entries = [entry for entry in self.ledger.list_entries(*kinds) if entry.era == era]
        if entries:
            entry = random.choice(entries)
            answer = client.write(service, "POST", entry.path, entry.body, entry.key)
            self.ledger.compare(entry, answer.json())

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Let nothing be under way: keys that wait for an answer would expire in the block."""
        self._going.clear()
        for thread in self.threads:
            while thread.is_alive() and not self._idle.acquire(timeout=0.1):
                pass
        try:
            yield
        finally:
            self.ledger.era += 1
            self._going.set()

    def wait_for_more(self) -> None:
        """Wait until each API has acknowledged a write that was not yet under way."""
        kinds = {service: (service,) for service in WRITERS} | {
            "subscriptions": ("subscriptions", "boxes")
        }
        wanted = {
            service: len(self.ledger.list_entries(*kinds[service])) + writers + 1
            for service, writers in WRITERS.items()
        }
        wait_for(
            lambda: (
                self.errors
                or all(
                    len(self.ledger.list_entries(*kinds[service])) >= count
                    for service, count in wanted.items()
                )
            ),
            "an API takes no writes",
        )
        assert self.errors == []

    def stop(self) -> None:
        """Let each writer finish what it has begun."""
        self.ended.set()
        for thread in self.threads:
            thread.join()
        assert self.errors == []


def read_body(name: str) -> dict[str, Any]:
    """A body of the demo."""
    found: dict[str, Any] = json.loads((ROOT / f"demo/{name}.json").read_text())
    return found
