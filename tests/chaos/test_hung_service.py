"""A service that takes calls and never answers, with many callers on it."""

import http.client
import os
import signal
import threading
import time

from tests.chaos.conftest import Launch
from tests.chaos.product import Answer, Caller, Load, Product, wait_for
from tests.chaos.test_killed import is_ready

CALLERS = 64
WRITES = 40  # to each other API, in calm and while the service hangs
RPC_SECONDS = 3
OTHERS = ("sessions", "subscriptions")
AWAY = ("hung", "unreachable")  # it answers no call; then no ping, and no new connection


class Crowd:
    """Callers that read orders, and wait a moment after a refusal as its Retry-After asks."""

    def __init__(self, product: Product) -> None:
        self.product = product
        order = product.write("orders").json()["id"]
        self.path = f"/v1/orders/{order}"
        self.answers: list[tuple[float, Answer]] = []  # with the moment of the call
        self.failures: list[str] = []
        self._stopped = threading.Event()
        self.threads = [threading.Thread(target=self._run) for _ in range(CALLERS)]
        for thread in self.threads:
            thread.start()

    def _run(self) -> None:
        caller = Caller(self.product.front)
        while not (self._stopped.is_set() or self.product.ending.is_set()):
            begun = time.monotonic()
            try:
                found = caller.ask("GET", self.path, **self.product.credentials("orders"))
            except (OSError, http.client.HTTPException) as error:
                self.failures.append(repr(error))
                continue
            self.answers.append((begun, found))
            self._stopped.wait(1)
        caller.close()

    def statuses(self) -> set[int]:
        """What they were answered."""
        return {each.status for each in self.list_answers()}

    def list_answers(self, since: float = 0) -> list[Answer]:
        """The answers to calls that were made after a moment."""
        return [answer for begun, answer in list(self.answers) if begun > since]

    def stop(self) -> None:
        """Let each finish its request."""
        self._stopped.set()
        for thread in self.threads:
            thread.join()


def test_a_hung_service_takes_nobody_with_it(launch: Launch) -> None:
    with launch(GATEWAY_RPC_TIMEOUT=str(RPC_SECONDS)) as product:
        crowd = Crowd(product)
        load = Load(product, OTHERS)
        wait_for(lambda: len(crowd.answers) >= CALLERS, "the crowd is not served")
        load.wait_for_more(WRITES)
        calm = {service: load.p99(service) for service in OTHERS}
        assert crowd.statuses() == {200}

        os.kill(product.pid("orders"), signal.SIGSTOP)
        stopped_at = time.monotonic()
        before = {service: len(load.answers[service]) for service in OTHERS}
        wait_for(lambda: product.readiness()[1]["services"]["orders"] == "hung", "not hung")
        load.wait_for_more(WRITES)
        wait_for(lambda: time.monotonic() > stopped_at + 3 * RPC_SECONDS, "time stands still")
        # Each worker notices by the calls that come to it, sooner or later.
        wait_for(
            lambda: all(product.readiness()[1]["services"]["orders"] in AWAY for _ in range(10)),
            "a worker has not noticed",
        )
        for _ in range(10):  # whichever worker it meets
            status, body = product.readiness()
            assert status == 503
            assert body["services"].pop("orders") in AWAY
            assert body["services"] == {"sessions": "ok", "subscriptions": "ok"}
        # Calls that were on their way when their worker noticed are not counted.
        noticed_at = time.monotonic()
        refused = wait_for(
            lambda: (answers := crowd.list_answers(noticed_at))[CALLERS - 1 :] and answers,
            "the crowd has no answer",
        )
        assert {each.status for each in refused} == {503}
        assert all(int(each.headers["retry-after"]) > 0 for each in refused)
        assert sorted(each.seconds for each in refused)[len(refused) // 2] < RPC_SECONDS / 2

        os.kill(product.pid("orders"), signal.SIGCONT)
        wait_for(lambda: is_ready(product), "it does not come back")
        load.wait_for_more()
        found = wait_for(
            lambda: (answer := product.write("orders")).status == 201 and answer, "no order"
        )
        assert found.status == 201
        crowd.stop()
        load.stop()
        assert load.failures == []
        assert crowd.failures == []
        assert crowd.statuses() <= {200, 503, 504}
        for service in OTHERS:
            # Far below RPC_SECONDS, which whoever is held up by the hung one waits.
            assert load.p99(service, before[service]) < max(10 * calm[service], 2), calm
