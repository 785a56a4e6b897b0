"""Accounts: secrets that are rotated, and what a file may say about them."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta

import pytest
from marshmallow import ValidationError

from chassis.errors import AlreadyExists, NotFound, Unauthenticated
from chassis.server.accounts import AccountSchema
from chassis.store.database import Database
from orders_svc.store.tables import accounts
from protos import orders_pb2 as pb
from tests.serving import Served, build_basic

NOW = datetime(2026, 11, 26, 12, tzinfo=UTC)
DAY = timedelta(days=1)


@pytest.fixture(scope="module")
def stored(store_url: Callable[[str, str], str], engine: str) -> Iterator[Database]:
    """A store with accounts: that of orders."""
    database = Database(store_url("orders", engine))
    yield database
    database.close()


class Account:
    """An account of one test."""

    def __init__(self, database: Database, name: str) -> None:
        self.database, self.name, self.accounts = database, name, accounts
        with database.write() as tx:
            self.first = self.accounts.add(tx, name, "client")

    def rotate(self, overlap: timedelta, now: datetime = NOW, secret: str | None = None) -> str:
        """Rotate the secret and return the new one."""
        with self.database.write() as tx:
            return self.accounts.rotate(tx, self.name, overlap, now, secret)

    def accepts(self, secret: str, now: datetime) -> bool:
        """Whether a secret is valid at a moment."""
        try:
            with self.database.read() as tx:
                return self.accounts.authenticate(tx, self.name, secret, now).name == self.name
        except Unauthenticated:
            return False

    def load(self, **values: str) -> None:
        """Load the account from a file."""
        entry = AccountSchema().load({"name": self.name, **values})
        with self.database.write() as tx:
            self.accounts.load(tx, [entry])


@pytest.fixture
def account(stored: Database, unique: str) -> Account:
    return Account(stored, unique)


def test_two_secrets_are_valid_for_the_overlap(account: Account) -> None:
    new = account.rotate(DAY)
    assert new != account.first
    for moment in (NOW, NOW + DAY - timedelta(seconds=1)):
        assert account.accepts(account.first, moment)
        assert account.accepts(new, moment)
    assert not account.accepts(account.first, NOW + DAY)
    assert account.accepts(new, NOW + 1000 * DAY)
    assert not account.accepts("another", NOW)


def test_without_an_overlap_only_the_new_one_is_valid(account: Account) -> None:
    second = account.rotate(DAY)
    third = account.rotate(timedelta(0))
    assert not account.accepts(account.first, NOW)
    assert not account.accepts(second, NOW)
    assert account.accepts(third, NOW)


def test_a_second_rotation_keeps_the_first_overlap(account: Account) -> None:
    """The secret that clients have is the oldest, when the one between was lost."""
    second = account.rotate(DAY)
    third = account.rotate(7 * DAY, NOW + DAY / 2)
    assert [account.accepts(each, NOW + DAY / 2) for each in (account.first, second, third)] == [
        True
    ] * 3
    assert not account.accepts(account.first, NOW + DAY)
    assert account.accepts(second, NOW + 7 * DAY)
    assert not account.accepts(second, NOW + 8 * DAY)


def test_of_old_secrets_only_hashes_are_kept(account: Account) -> None:
    account.rotate(DAY)
    with account.database.read() as tx:
        rows = repr(tx.execute(accounts.old_secrets.select()).all())
    assert account.first not in rows


def test_a_revoked_account_has_no_secret(account: Account) -> None:
    new = account.rotate(DAY)
    with account.database.write() as tx:
        accounts.revoke(tx, account.name, NOW)
    assert not account.accepts(account.first, NOW)
    assert not account.accepts(new, NOW)
    with pytest.raises(NotFound, match="No live account has this name"):
        account.rotate(DAY)


def test_a_secret_is_not_used_again(account: Account) -> None:
    account.rotate(DAY, secret="a secret of the operator's own")
    for secret in (account.first, "a secret of the operator's own"):
        with pytest.raises(AlreadyExists, match="has, or had, this secret"):
            account.rotate(DAY, secret=secret)


def test_a_file_does_not_bring_a_rotated_secret_back(account: Account) -> None:
    account.load(secret="once-in-a-file-and-leaked")
    new = account.rotate(timedelta(0))
    with pytest.raises(ValidationError, match="Was replaced by `accounts rotate`"):
        account.load(secret="once-in-a-file-and-leaked")
    assert not account.accepts("once-in-a-file-and-leaked", NOW)
    account.load(role="staff")
    assert account.accepts(new, NOW)
    with account.database.read() as tx:
        assert accounts.authenticate(tx, account.name, new, NOW).role == "staff"


def test_a_new_account_in_a_file_needs_a_secret(stored: Database, unique: str) -> None:
    entry = AccountSchema().load({"name": unique})
    with pytest.raises(ValidationError, match="A new account needs one"), stored.write() as tx:
        accounts.load(tx, [entry])


@pytest.mark.parametrize(
    "secret", ["x" * 16, "1234567890123456", "passwordpassword", "abcabcabcabcabcabc"]
)
def test_a_weak_secret_in_a_file_is_refused(secret: str) -> None:
    with pytest.raises(ValidationError, match="Is too easy to guess"):
        AccountSchema().load({"name": "client", "secret": secret})


def test_each_has_secrets_of_its_own(stored: Database, unique: str) -> None:
    one, other = Account(stored, unique), Account(stored, f"{unique}-2")
    one.rotate(DAY)
    assert not other.accepts(one.first, NOW)
    assert not one.accepts(other.first, NOW)


def test_the_names_behind_known_secrets_are_found(stored: Database, unique: str) -> None:
    one, other = Account(stored, unique), Account(stored, f"{unique}-2")
    known = [one.first, other.first]
    one.rotate(DAY)
    with stored.read() as tx:
        assert accounts.find_by_secrets(tx, known, NOW) == [unique, f"{unique}-2"]
        assert accounts.find_by_secrets(tx, known, NOW + DAY) == [f"{unique}-2"]
        assert accounts.find_by_secrets(tx, [], NOW) == []
        assert accounts.list_overlaps(tx, NOW)
        assert NOW + DAY in accounts.list_overlaps(tx, NOW).values()


def test_a_cached_secret_expires(orders: Served, unique: str) -> None:
    """The cache keeps who called; a secret's end is looked at on each call."""
    own = Account(orders.database, unique)
    now = datetime.now(UTC)
    with orders.clock.at(now):
        headers = {"authorization": build_basic(unique, own.first), "user_email": "x@example.com"}
        asked = pb.ListLabsRequest()
        assert orders.refusal("ListLabs", asked, "", **headers).reason == "FORBIDDEN"
    own.rotate(DAY, now)
    orders.refresh_cache()
    with orders.clock.at(now + DAY - timedelta(seconds=1)):
        assert orders.refusal("ListLabs", asked, "", **headers).reason == "FORBIDDEN"
    with orders.clock.at(now + DAY):
        refused = orders.refusal("ListLabs", asked, "", **headers)
        assert refused.reason == "UNAUTHENTICATED"
        assert refused.message.startswith("The secret was replaced")
        token = pb.CreateTokenRequest(client_id=unique, client_secret=own.first)
        assert orders.refusal("CreateToken", token, "").reason == "UNAUTHENTICATED"
