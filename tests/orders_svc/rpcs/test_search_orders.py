"""The dashboard's list of orders: all labs of a user, newest first, and what a text finds."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from alembic import command
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Connection, update

from chassis.context import Account
from chassis.store.database import Database
from chassis.store.migrations import build_alembic_config, migrate
from optics.names import fold
from orders_svc.actions.advance_by_time import advance_by_time
from orders_svc.rules.names import MAX_FOLDED_LENGTH, fold_patient_name
from orders_svc.store import search, tables
from orders_svc.store.access import users
from orders_svc.store.order_lists import Page
from orders_svc.store.personal import ORDERS
from orders_svc.store.words import add_words, build_name_columns
from protos import orders_pb2 as pb
from tests.orders_svc.bodies import Body, request
from tests.orders_svc.store.test_order_lists_plans import explain_plan
from tests.serving import Served, get_definition, serve

BEGIN = datetime(2026, 3, 1, 9, tzinfo=UTC)
SECOND_LAB = {"lab": "lab_456", "account_number": "7654321"}


@pytest.fixture
def shop(start: Callable[[str, str], Served], engine: str, frame_order: Body) -> "Shop":
    """A service of this test's own."""
    return Shop(start("orders", engine), frame_order)


class Shop:
    """Makes orders a minute apart, and searches them."""

    def __init__(self, orders: Served, order: Body) -> None:
        self.orders = orders
        self.order = order
        self.made: list[str] = []

    def add(self, first: str = "Ada", last: str = "Example", **changes: Any) -> str:
        """A new order for a patient."""
        patient = {"first_name": first, "last_name": last}
        sent = request(self.order, patient=patient, **changes)
        with self.orders.clock.at(BEGIN + timedelta(minutes=len(self.made))):
            self.made.append(self.orders.call("CreateOrder", sent).id)
        return self.made[-1]

    def search(self, text: str = "", who: str = "client", **more: Any) -> pb.SearchOrdersResponse:
        """What is found."""
        email = {"user_email": more.pop("user_email")} if "user_email" in more else {}
        asked = pb.SearchOrdersRequest(text=text, **more)
        found: pb.SearchOrdersResponse = self.orders.call(
            "SearchOrders", asked, who, kind="Dashboard", **email
        )
        return found

    def ids(self, text: str = "", **more: Any) -> list[str]:
        """The ids of what is found."""
        return [each.id for each in self.search(text, **more).data]


def test_it_works(shop: Shop) -> None:
    draft = shop.add(mode="draft")
    sent = shop.add("Grace", "Hopper", **SECOND_LAB)
    advance_by_time(shop.orders.database, BEGIN + timedelta(minutes=10))  # it has a window
    desk = pb.UpdateOrderRequest(order_id=sent, tray_number="T-7", invoice_number="I-9")
    with shop.orders.clock.at(BEGIN + timedelta(hours=1)):
        shop.orders.call("UpdateOrder", desk, "staff", desk=True)
    made = int(BEGIN.timestamp())
    of_hopper = pb.FoundOrder(
        id=sent,
        patient="Grace Hopper",
        lab_name="VisionWorks Lab",
        lab_status="submitted",
        tray_number="T-7",
        invoice_number="I-9",
        created=made + 60,
        updated=made + 3600,
    )
    of_ada = pb.FoundOrder(
        id=draft,
        patient="Ada Example",
        lab_name="Acme Lab",
        lab_status="draft",
        created=made,
        updated=made,
    )
    assert shop.search() == pb.SearchOrdersResponse(data=[of_hopper, of_ada])
    for text in ("T-7", "I-9", sent, "hopp", f" {sent} "):
        assert shop.search(text) == pb.SearchOrdersResponse(data=[of_hopper])


def test_a_name_is_found_by_its_beginning_in_either_order(shop: Shop) -> None:
    found = shop.add("José María", "O'Neill-Núñez")
    shop.add("Neill", "Maria")
    names = ["O'Neill-Núñez", "oneill nunez", "ONEILL", "o\u2019neill", "José María", "jose m"]
    for text in (*names, "oneill nunez, jose", "josé maria o'neill", "o%"):
        assert shop.ids(text) == [found]


@pytest.mark.parametrize(
    ("first", "last", "texts"),
    [
        ("Ann", "Smith-Jones", ["smith-jones", "jones", "Jones, Ann", "ann s", "SMITH J"]),
        ("Łukasz", "Żółć", ["lukasz", "zolc", "Łukasz"]),
        ("Søren", "Ægir", ["soren", "aegir", "SØREN"]),
        ("Đặng", "I\u015f\u0131k", ["dang", "isik", "I\u015f\u0131k"]),
        ("Conan", "O\u00b4Neil", ["oneil", "o'neil", "O\u00b4Neil"]),
        ("Lucía", "de la Cruz Gómez", ["de la c", "la cruz", "cruz", "gomez lucia"]),
    ],
)
def test_a_surname_is_found_by_any_of_its_words_in_latin_letters(
    shop: Shop, first: str, last: str, texts: list[str]
) -> None:
    found = shop.add(first, last)
    shop.add("Zed", "Quark")
    for text in texts:
        assert shop.ids(text) == [found], text
        assert shop.ids(text, user_email="second@example.com") == []


def test_a_name_that_is_found_twice_is_one_order(shop: Shop) -> None:
    found = shop.add("Ann", "Ann-Ann Annis")
    assert shop.ids("ann") == [found]


def test_what_a_name_does_not_begin_with_finds_nothing(shop: Shop) -> None:
    order_id = shop.add("José María", "O'Neill-Núñez")
    desk = pb.UpdateOrderRequest(order_id=order_id, tray_number="T-7")
    shop.orders.call("UpdateOrder", desk, "staff", desk=True)
    for text in ("eill", "%", "_", "%eill", "ord_", order_id[:-1], "T", "'", "--", "👓"):
        assert shop.ids(text) == []
    # Words that are hashed are found in any order.
    is_hashed = shop.orders.database.keyring is not None
    assert shop.ids("maria o") == ([order_id] if is_hashed else [])


def test_pages_lead_both_ways_and_stay_when_orders_arrive(shop: Shop) -> None:
    made = [shop.add(**(SECOND_LAB if number % 2 else {})) for number in range(7)][::-1]
    for text in ("", "example"):
        first = shop.search(text, limit=3)
        assert [each.id for each in first.data] == made[:3]
        assert first.has_more
        second = shop.search(text, limit=3, starting_after=made[2])
        assert ([each.id for each in second.data], second.has_more) == (made[3:6], True)
        last = shop.search(text, limit=3, starting_after=made[5])
        assert ([each.id for each in last.data], last.has_more) == (made[6:], False)
        back = shop.search(text, limit=3, ending_before=made[6])
        assert ([each.id for each in back.data], back.has_more) == (made[3:6], True)
        start = shop.search(text, limit=3, ending_before=made[3])
        assert ([each.id for each in start.data], start.has_more) == (made[:3], False)
    shop.add()
    assert shop.ids(limit=3, starting_after=made[2]) == made[3:6]


def test_users_see_the_orders_of_their_labs_only(shop: Shop) -> None:
    one, two = shop.add(), shop.add(**SECOND_LAB)
    second = "second@example.com"
    for text in ("", "ada", one, two):
        found = shop.ids(text, user_email=second)
        assert found == ([two] if text != one else [])
        stranger = shop.search(text, "other")
        assert stranger == pb.SearchOrdersResponse()
    for cursor in (one, "ord_000000000000000000000000", "x"):
        asked = pb.SearchOrdersRequest(starting_after=cursor)
        failure = shop.orders.refusal("SearchOrders", asked, kind="Dashboard", user_email=second)
        assert [fault.path for fault in failure.faults] == ["starting_after"]


def test_faults_of_a_search_are_named(shop: Shop) -> None:
    for asked, path in (
        (pb.SearchOrdersRequest(text="x" * 121), "text"),
        (pb.SearchOrdersRequest(text="a\0"), "text"),
        (pb.SearchOrdersRequest(limit=0), "limit"),
        (pb.SearchOrdersRequest(limit=101), "limit"),
        (pb.SearchOrdersRequest(starting_after="a", ending_before="b"), "ending_before"),
    ):
        failure = shop.orders.refusal("SearchOrders", asked, kind="Dashboard")
        assert [fault.path for fault in failure.faults] == [path]


def test_too_many_matches_are_reported(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(search, "MAX_NAMES", 2)
    made = [shop.add("Ada"), shop.add("Adam")]
    assert not shop.search("ada").too_many
    made.append(shop.add("Adair"))
    found = shop.search("ada")
    assert found.too_many
    assert {each.id for each in found.data} <= set(made)


def test_a_search_comes_from_indexes_and_the_list_from_that_of_each_lab(shop: Shop) -> None:
    order_id = shop.add()
    with shop.orders.database.write() as tx:
        found_row = tx.execute(tables.orders.select().where(tables.orders.c.id == order_id)).one()
        row = dict(ORDERS.open(tx, found_row)._mapping)
        for n in range(2000):
            patient = {"first_name": f"Ada{n}", "last_name": f"Example{n}"}
            numbers = {"id": f"ord_{n}", "tray_number": f"{n}", "invoice_number": f"{n}"}
            names = build_name_columns(tx, patient)
            tx.execute(tables.orders.insert(), ORDERS.seal(tx, {**row, **numbers, **names}))
            add_words(tx, row["account_id"], f"ord_{n}", patient)
        tx.exec_driver_sql("ANALYZE orders")
        account = Account(tables.accounts.ids(tx)["demo-client"], "demo-client", "client")
        user = users.find_user(tx, "optician@example.com")
    assert user is not None

    def pages(tx: Connection, filters: dict[str, Any]) -> Page:
        return search.search_orders(tx, account, user.id, filters).page

    found = explain_plan(shop.orders, pages, {"text": "ada1999", "limit": 3})
    for column in ("first_last", "last_first", "tray_number", "invoice_number"):
        assert f"ix_orders_{column}" in found
    listed = explain_plan(shop.orders, pages, {"text": "", "limit": 3})
    assert listed.count("ix_orders_listing") == 2
    assert "name_words" in found
    for said in (found, listed):
        assert "SCAN name_words" not in said
        assert "Seq Scan on name_words" not in said
        assert "SCAN orders" not in said
        assert "Seq Scan on orders" not in said


def test_filters_by_person(shop: Shop) -> None:
    patient = {"first_name": "Ada", "last_name": "Example", "person_ref": "p-1"}
    shop.add()
    sent = request({**shop.order, "patient": patient})
    made = shop.orders.call("CreateOrder", sent).id
    assert shop.ids(person_ref="p-1") == shop.ids("ada", person_ref="p-1") == [made]
    assert shop.ids(person_ref="p-1", lab="lab_123", lab_status="draft") == []
    assert shop.ids(person_ref="p-2") == shop.ids("bob", person_ref="p-1") == []
    assert shop.ids(person_ref="p-1", user_email="second@example.com") == []


def test_filters_by_state_and_lab(shop: Shop) -> None:
    draft = shop.add("Ada", "Draft", mode="draft")
    first = shop.add("Ada", "First")
    other = shop.add("Ada", "Other", **SECOND_LAB)
    for _ in range(2):
        shop.add("Bob", "Later", **SECOND_LAB)
    advance_by_time(shop.orders.database, BEGIN + timedelta(minutes=10))  # this lab has a window
    held = pb.UpdateOrderRequest(order_id=other, lab_status="on_hold")
    shop.orders.call("UpdateOrder", held, "staff", desk=True)
    assert shop.ids(lab_status="draft") == [draft]
    assert shop.ids(lab_status="on_hold") == [other]
    assert shop.ids(lab_status="cancelled") == []
    assert shop.ids(lab="lab_123") == [first, draft]
    assert shop.ids(lab="lab_456", lab_status="on_hold") == [other]
    assert shop.ids(lab="lab_123", lab_status="on_hold") == []
    assert shop.ids(lab="lab_unknown") == []
    assert shop.ids("ada") == [other, first, draft]
    assert shop.ids("ada", lab="lab_123") == [first, draft]
    assert shop.ids("ada", lab_status="submitted") == [first]
    page = shop.search(lab="lab_456", limit=2)
    assert page.has_more
    assert shop.ids(lab="lab_456", starting_after=page.data[1].id) == [other]
    assert shop.ids(lab="lab_123", starting_after=other) == [first, draft]
    # The filters show nobody another user's orders.
    assert shop.ids(lab="lab_123", user_email="second@example.com") == []


@pytest.mark.parametrize(
    "wrong",
    [
        {"person_ref": ""},
        {"person_ref": " "},
        {"person_ref": "x" * 65},
        {"person_ref": "a\0"},
        {"lab_status": "Draft"},
        {"lab_status": "\0"},
        {"lab": "x" * 65},
        {"lab_status": "x"},
    ],
)
def test_a_filter_that_cannot_be_is_refused(shop: Shop, wrong: dict[str, Any]) -> None:
    asked = pb.SearchOrdersRequest(**wrong)
    failure = shop.orders.refusal("SearchOrders", asked, kind="Dashboard")
    assert failure.code.name == "INVALID_ARGUMENT"
    assert {fault.path for fault in failure.faults} == set(wrong)


@pytest.mark.parametrize(
    "filters", [{"lab_status": "draft"}, {"lab_status": "shipped", "lab": "lab_123"}]
)
def test_a_state_has_an_index(shop: Shop, filters: dict[str, str]) -> None:
    with shop.orders.database.read() as tx:
        account = Account(tables.accounts.ids(tx)["demo-client"], "demo-client", "client")
        user = users.find_user(tx, "optician@example.com")
    assert user is not None

    def pages(tx: Connection, asked: dict[str, Any]) -> Page:
        return search.search_orders(tx, account, user.id, asked).page

    found = explain_plan(shop.orders, pages, {"text": "", "limit": 3, **filters})
    assert "ix_orders_listing_of_status" in found


def test_the_list_reads_no_documents() -> None:
    columns = {column.name for column in search._LISTED_ORDERS.selected_columns}
    assert "document" not in columns


@given(st.text(max_size=50), st.text(max_size=50))
def test_a_name_begins_with_its_own_beginning(first: str, last: str) -> None:
    names = fold_patient_name({"first_name": first, "last_name": last})
    assert all(len(each) <= MAX_FOLDED_LENGTH for each in names.values())
    assert names["last_first"].startswith(fold(last))
    assert fold(fold(first)) == fold(first)
    assert fold(first.upper()) == fold(first.upper().lower())


def test_orders_of_before_are_found_after_the_migration(
    store_url: Callable[[str, str], str], engine: str, frame_order: Body
) -> None:
    of = get_definition("orders")
    shop = Shop(serve("orders", Database(store_url("orders", engine))), frame_order)
    try:
        made = [shop.add("Zoë", "Öst"), shop.add()]
        database = shop.orders.database
        with database.write() as tx:
            tx.execute(update(tables.orders).values(first_last=None, last_first=None))
            made_config = build_alembic_config(of.migrations)
            made_config.attributes["connection"] = tx
            command.downgrade(made_config, "0004")
        migrate(database, of.migrations)
        assert shop.ids("ost") == made[:1]
        assert shop.ids("ada") == made[1:]
    finally:
        shop.orders.stop()
