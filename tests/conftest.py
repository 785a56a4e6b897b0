"""Real services on loopback, each on SQLite and on PostgreSQL.

A fixture runs once per engine. With TEST_ENCRYPTION=on every service encrypts what it stores.
Stores are copies of a template that is migrated
and loaded with demo/ once per run; the tests of a module share them, and use keys
of their own (`unique`).
"""

import json
import os
import shutil
import tempfile
import uuid
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest
from flask.testing import FlaskClient
from hypothesis import HealthCheck, settings
from playwright.sync_api import Browser
from werkzeug import security

from gateway import create_app
from gateway.rates import policies
from tests import postgres
from tests.browser import Windows, chromium, serve_app
from tests.serving import SERVICES, Served, load_demo, open_database, serve, write_keys

# Every test comes from one address. The tests of the limits set those that they mean.
for limit in policies.DEFAULTS:
    os.environ.setdefault(policies.name_variable(limit), policies.OFF)

DEMO = Path(__file__).parent.parent / "demo"

settings.register_profile(
    "at any speed", deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("at any speed")

# They run first: a worker that gets one of them last would leave the other without work.
LONG = ("chaos/", "bench/", "deploy/", "examples/", "fuzz/", "journeys/")


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the tests that take a minute ahead of those that take a moment."""
    items.sort(key=lambda item: not item.nodeid.startswith(tuple(f"tests/{each}" for each in LONG)))


def pytest_configure(config: pytest.Config) -> None:
    """Start one PostgreSQL for all workers; without one the run fails."""
    if not hasattr(config, "workerinput"):
        url, stop = postgres.start()
        os.environ["TEST_POSTGRES_URL"] = url
        config.add_cleanup(stop)
        if os.environ.get("TEST_ENCRYPTION") == "on":
            folder = tempfile.mkdtemp(prefix="optigate-keys-")
            os.environ["ENCRYPTION_KEYS"] = str(write_keys(Path(folder) / "ring", "test"))
            config.add_cleanup(lambda: shutil.rmtree(folder))


@pytest.fixture(scope="session", autouse=True)
def cheap_passwords() -> Iterator[None]:
    """Passwords are hashed by scrypt as ever, but at a low cost; `test_users` has the real one."""
    cheap = partial(security.generate_password_hash, method="scrypt:128:8:1")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(security, "generate_password_hash", cheap)
        yield


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def engine(request: pytest.FixtureRequest) -> str:
    """The engine under test."""
    name: str = request.param
    return name


@pytest.fixture(scope="session")
def templates(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[str, str], str]]:
    """Returns the template store of a service on an engine: a file or a database name."""
    folder = tmp_path_factory.mktemp("templates")
    server = os.environ["TEST_POSTGRES_URL"]
    made: dict[tuple[str, str], str] = {}

    def template(service: str, engine: str) -> str:
        if (service, engine) not in made:
            name = f"template_{service}_{uuid.uuid4().hex[:8]}"
            made[service, engine] = str(folder / name) if engine == "sqlite" else name
            url = (
                f"sqlite:///{folder / name}"
                if engine == "sqlite"
                else postgres.create_database(server, name)
            )
            load_demo(service, url, DEMO)
        return made[service, engine]

    yield template
    for (_, engine), name in made.items():
        if engine == "postgresql":
            postgres.drop_database(server, name)


@pytest.fixture(scope="module")
def store_url(
    templates: Callable[[str, str], str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Callable[[str, str], str]]:
    """Creates a fresh store of a service on an engine, and returns its URL."""
    server = os.environ["TEST_POSTGRES_URL"]
    made: list[str] = []

    def create(service: str, engine: str) -> str:
        template = templates(service, engine)
        if engine == "sqlite":
            path = tmp_path_factory.mktemp("store") / f"{service}.db"
            shutil.copy(template, path)
            return f"sqlite:///{path}"
        made.append(f"{service}_{uuid.uuid4().hex[:12]}")
        return postgres.create_database(server, made[-1], template=template)

    yield create
    for name in made:
        postgres.drop_database(server, name)


@pytest.fixture(scope="module")
def start(store_url: Callable[[str, str], str]) -> Iterator[Callable[[str, str], Served]]:
    """Starts a service on a fresh store: `start("orders", engine)`."""
    running: list[Served] = []

    def starter(service: str, engine: str) -> Served:
        served = serve(service, open_database(store_url(service, engine)))
        running.append(served)
        return served

    yield starter
    for served in running:
        served.stop()


@pytest.fixture(scope="module")
def sessions(start: Callable[[str, str], Served], engine: str) -> Served:
    """The sessions service."""
    return start("sessions", engine)


@pytest.fixture(scope="module")
def orders(start: Callable[[str, str], Served], engine: str) -> Served:
    """The orders service."""
    return start("orders", engine)


@pytest.fixture(scope="module")
def subscriptions(start: Callable[[str, str], Served], engine: str) -> Served:
    """The subscriptions service."""
    return start("subscriptions", engine)


@pytest.fixture(scope="module")
def http(sessions: Served, orders: Served, subscriptions: Served) -> Iterator[FlaskClient]:
    """An HTTP client of a gateway in front of the three services."""
    served = {"sessions": sessions, "orders": orders, "subscriptions": subscriptions}
    app = create_app({f"{name.upper()}_ADDR": served[name].address for name in SERVICES})
    yield app.test_client()
    app.extensions["backends"].close()


@pytest.fixture(scope="module")
def site(http: FlaskClient) -> Iterator[str]:
    """The address of that gateway for a browser."""
    with serve_app(http.application) as address:
        yield address


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """A running Chromium."""
    with chromium() as running:
        yield running


@pytest.fixture
def windows(browser: Browser) -> Iterator[Windows]:
    """Opens windows; fails if a page has reported an error."""
    opened = Windows(browser)
    yield opened
    opened.close()


@pytest.fixture
def unique() -> str:
    """A key that no other test uses."""
    return uuid.uuid4().hex


@pytest.fixture
def body() -> Callable[[str], dict[str, object]]:
    """Returns a demo body by its name, parsed anew."""

    def read(name: str) -> dict[str, object]:
        parsed: dict[str, object] = json.loads((DEMO / f"{name}.json").read_text())
        return parsed

    return read
