"""Sessions of an older version stay what they were, on both engines."""

import os
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import text

from chassis.store.database import Database
from chassis.store.migrations import find_schema_differences, migrate
from sessions_svc.definition import SERVICE
from tests import postgres
from tests.serving import to_version

ACCOUNT = "INSERT INTO accounts VALUES (1, 'a', 'x', 'client', '2026-01-01 00:00:00', NULL)"
USER = (
    "INSERT INTO users VALUES (1, 'u', 'a@example.com', 'A', 'B', '1988-01-01', 'US-IL',"
    " '2026-01-01 00:00:00', '2026-01-01 00:00:00')"
)
SESSION = (
    "INSERT INTO sessions (id, account_id, user_key, session_key, status, products, prescriptions,"
    " created_at, updated_at) VALUES (:id, 1, 'u', :key, 'created', :products, '[]',"
    " '2026-01-01 00:00:00', '2026-01-01 00:00:00')"
)
PRODUCTS = [
    "[]",
    '["contacts","glasses"]',
    '["acuity-service"]',
    '["acuity-service","acuity-service"]',
]


@pytest.fixture
def empty(engine: str, tmp_path: Path) -> Iterator[Database]:
    """A store without tables."""
    server, name = os.environ["TEST_POSTGRES_URL"], f"older_{uuid.uuid4().hex[:12]}"
    on_file = engine == "sqlite"
    url = f"sqlite:///{tmp_path}/s.db" if on_file else postgres.create_database(server, name)
    database = Database(url)
    yield database
    database.close()
    if not on_file:
        postgres.drop_database(server, name)


def test_sessions_of_the_acuity_service_are_marked(empty: Database) -> None:
    to_version(empty, SERVICE.migrations, "0002")
    with empty.write() as tx:
        tx.execute(text(ACCOUNT))
        tx.execute(text(USER))
        for number, products in enumerate(PRODUCTS):
            row = {"id": number + 1, "key": f"s{number}", "products": products}
            tx.execute(text(SESSION), row)
    for _ in range(2):
        migrate(empty, SERVICE.migrations)
        assert find_schema_differences(empty, SERVICE.metadata) == []
        with empty.read() as tx:
            rows = tx.execute(text("SELECT is_acuity FROM sessions ORDER BY id")).scalars()
            assert [bool(each) for each in rows] == [False, False, True, True]
        to_version(empty, SERVICE.migrations, "0002", down=True)
