"""A store of revision 0006: its names are folded anew, in batches that continue."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

import pytest
import sqlalchemy as sa

from chassis.store import migrations
from chassis.store.database import Database
from chassis.store.migrations import migrate
from chassis.store.versions import is_current
from orders_svc.rules.names import fold_patient_name, list_further_names
from orders_svc.store import tables
from protos import orders_pb2 as pb
from tests.serving import get_definition, serve, to_version

FOLDER = get_definition("orders").migrations
BATCH = 1000
# First name, last name, what the old folding had, what finds it now.
NAMES = [
    ("Łukasz", "Nowak", "łukasz nowak", ["lukasz", "Łukasz n", "nowak luk"]),
    ("Søren", "Ægir", "søren ægir", ["soren", "aegir", "ÆGIR s"]),
    ("Conan", "O\u00b4Neil", "conan o neil", ["oneil", "o'neil", "O\u00b4Neil"]),
    ("Ann", "Smith-Jones", "ann smith jones", ["smith", "jones", "jones ann", "ann s"]),
    ("Lucía", "de la Cruz Gómez", "lucia de la cruz gomez", ["de la", "cruz", "gomez", "la cruz"]),
    ("Đặng", "Iş\u0131k", "đang is\u0131k", ["dang", "isik"]),
]
FOUND = [(at, text) for at, (*_, texts) in enumerate(NAMES) for text in texts]


def add_orders(database: Database, count: int) -> list[str]:
    """Orders as revision 0006 wrote them: the names above, and others around them."""
    orders = sa.table(
        "orders", *(sa.column(each.name, each.type) for each in tables.orders.columns)
    )
    moment = datetime(2026, 3, 1, tzinfo=UTC)
    with database.write() as tx:
        account = tables.accounts.ids(tx)["demo-client"]
        user = tx.execute(
            sa.select(tables.users.c.id).where(tables.users.c.email == "optician@example.com")
        ).scalar_one()
        people = [*NAMES, *[("Other", "Person", "other person", [])] * (count - len(NAMES))]
        # The names are spread over the batches.
        ids = [f"ord_{(at * count) // len(NAMES):020x}aaaa" for at in range(len(NAMES))]
        ids += [f"ord_{at:020x}0000" for at in range(count - len(NAMES))]
        rows: list[dict[str, Any]] = [
            {
                "id": id_,
                "account_id": account,
                "user_id": user,
                "lab_id": "lab_123",
                "account_number": "1234567",
                "lab_status": "submitted",
                "document": {"patient": {"first_name": first, "last_name": last}},
                "created_at": moment,
                "submitted_at": moment,
                "updated_at": moment,
                "first_last": before,
                "last_first": before,
            }
            for id_, (first, last, before, _) in zip(ids, people, strict=True)
        ]
        tx.execute(sa.insert(orders), rows)
    return ids[: len(NAMES)]


@contextmanager
def serve_store(database: Database) -> Iterator[Callable[[str], list[str]]]:
    """Serve a store, and yield a search that returns the ids found."""
    served = serve("orders", database)

    def search(text: str) -> list[str]:
        asked = pb.SearchOrdersRequest(text=text, limit=100)
        return [each.id for each in served.call("SearchOrders", asked, kind="Dashboard").data]

    try:
        yield search
    finally:
        served.stop()


def read_names(database: Database) -> tuple[list[Any], list[Any]]:
    """The folded names of all orders, and the further words."""
    with database.read() as tx:
        names = sa.select(
            tables.orders.c.id, tables.orders.c.first_last, tables.orders.c.last_first
        )
        return (
            list(map(tuple, tx.execute(names.order_by(tables.orders.c.id)))),
            sorted(map(tuple, tx.execute(tables.name_words.select()))),
        )


def test_it_works(store_url: Callable[[str, str], str], engine: str) -> None:
    database = Database(store_url("orders", engine))
    to_version(database, FOLDER, "0006", down=True)
    made = add_orders(database, 2 * BATCH)
    migrate(database, FOLDER)
    assert is_current(database, FOLDER)
    with serve_store(database) as search:
        for at, text in FOUND:
            assert search(text) == [made[at]], text
        assert search("neil") == search("ones") == []
    database.close()


def test_an_interrupted_migration_continues(
    store_url: Callable[[str, str], str], engine: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    database = Database(store_url("orders", engine))
    to_version(database, FOLDER, "0006", down=True)
    add_orders(database, 2 * BATCH + 1)
    batches: list[bool] = []
    run = migrations._prepare_batch

    def fail_after_one(*args: Any) -> bool:
        if batches:
            raise KeyboardInterrupt
        batches.append(run(*args))
        return batches[-1]

    with monkeypatch.context() as patched:
        patched.setattr(migrations, "_prepare_batch", fail_after_one)
        with pytest.raises(KeyboardInterrupt):
            migrate(database, FOLDER)
    assert not is_current(database, FOLDER)
    with database.read() as tx:
        last = tx.exec_driver_sql("SELECT last_id FROM refolding").scalar_one()
        before = "SELECT count(*) FROM orders WHERE first_last = 'conan o neil' AND id <= '%s'"
        assert tx.exec_driver_sql(before % last).scalar_one() == 0
        left = tx.exec_driver_sql(f"SELECT count(*) FROM orders WHERE id > '{last}'").scalar_one()
    assert left == BATCH + 1
    migrate(database, FOLDER)
    assert is_current(database, FOLDER)
    names, words = read_names(database)
    with database.read() as tx:
        documents = tx.execute(sa.select(tables.orders.c.id, tables.orders.c.document)).all()
        account = tables.accounts.ids(tx)["demo-client"]
        assert not sa.inspect(tx).has_table("refolding")
    patients = {id_: document["patient"] for id_, document in documents}
    assert names == [
        (id_, *fold_patient_name(patient).values()) for id_, patient in sorted(patients.items())
    ]
    assert words == sorted(
        (account, name, id_)
        for id_, patient in patients.items()
        for name in list_further_names(patient)
    )
    database.close()


def test_a_downgrade_folds_as_before(store_url: Callable[[str, str], str], engine: str) -> None:
    database = Database(store_url("orders", engine))
    to_version(database, FOLDER, "0006", down=True)
    made = add_orders(database, len(NAMES))
    to_version(database, FOLDER, "head")
    to_version(database, FOLDER, "0006", down=True)
    with database.read() as tx:
        found = dict(map(tuple, tx.exec_driver_sql("SELECT id, first_last FROM orders")))
    assert [found[id_] for id_ in made] == [before for _, _, before, _ in NAMES]
    database.close()


def test_an_order_that_is_deleted_takes_its_words_along(
    store_url: Callable[[str, str], str], engine: str
) -> None:
    database = Database(store_url("orders", engine))
    to_version(database, FOLDER, "0006", down=True)
    add_orders(database, len(NAMES))
    migrate(database, FOLDER)
    with database.write() as tx:
        tx.execute(tables.orders.delete())
        assert tx.execute(tables.name_words.select()).all() == []
    database.close()
