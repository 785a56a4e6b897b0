"""patients' names folded to Latin letters, and found by any word of the surname

The names of existing orders are folded anew in batches, each a transaction: `prepare` continues
after the last order of the batch before. The folding is a copy, so that a later change of the
code's does not change what this migration writes.
"""

import unicodedata
from collections.abc import Callable, Sequence
from typing import Any

import sqlalchemy as sa
from alembic import op
from anyascii import anyascii

revision = "0007"
down_revision = "0006"

BATCH = 1000
MAX_NAME_LENGTH = 400
MAX_FURTHER_WORDS = 8
APOSTROPHES = "'`\u2019\u02bc"
ACUTE = "\u00b4"
NAMES = ("first_last", "last_first")

orders = sa.table(
    "orders",
    sa.column("id", sa.String),
    sa.column("account_id", sa.Integer),
    sa.column("document", sa.JSON()),
    *map(sa.column, NAMES),
)
progress = sa.table("refolding", sa.column("last_id"))
words = sa.table("name_words", *map(sa.column, ("account_id", "name", "order_id")))


def prepare(tx: sa.Connection) -> bool:
    """Fold the names of one batch of orders; returns whether there are more."""
    if not sa.inspect(tx).has_table("refolding"):
        _create_tables(tx)
    last = tx.execute(sa.select(progress.c.last_id)).scalar_one()
    rows = _read_batch(tx, last)
    for id_, account_id, document in rows:
        patient = document["patient"]
        first, last_name = (_fold(patient[name]) for name in ("first_name", "last_name"))
        _put_names(tx, id_, " ".join(first), " ".join(last_name))
        further = _list_further_names(first, last_name)
        if further:
            named = [{"account_id": account_id, "name": each, "order_id": id_} for each in further]
            tx.execute(sa.insert(words), named)
    if rows:
        tx.execute(sa.update(progress).values(last_id=rows[-1].id))
    return len(rows) == BATCH


def upgrade() -> None:
    while prepare(op.get_bind()):
        pass
    op.drop_table("refolding")


def downgrade() -> None:
    tx, last = op.get_bind(), ""
    while rows := _read_batch(tx, last):
        for id_, _, document in rows:
            patient = document["patient"]
            names = (_fold_as_before(patient[name]) for name in ("first_name", "last_name"))
            _put_names(tx, id_, *names)
        last = rows[-1].id
    op.drop_table("name_words")


def _create_tables(tx: sa.Connection) -> None:
    metadata = sa.MetaData()
    for table in ("accounts", "orders"):
        kind = sa.Integer() if table == "accounts" else sa.String(32)
        sa.Table(table, metadata, sa.Column("id", kind, primary_key=True))
    folded = sa.String(MAX_NAME_LENGTH).with_variant(
        sa.String(MAX_NAME_LENGTH, collation="C"), "postgresql"
    )
    made = sa.Table(
        "name_words",
        metadata,
        sa.Column("account_id", sa.Integer(), nullable=False),
        sa.Column("name", folded, nullable=False),
        sa.Column("order_id", sa.String(32), nullable=False),
        sa.PrimaryKeyConstraint("account_id", "name", "order_id", name="pk_name_words"),
        sa.ForeignKeyConstraint(["account_id"], ["accounts.id"], name="fk_name_words_account_id"),
        sa.ForeignKeyConstraint(
            ["order_id"], ["orders.id"], name="fk_name_words_order_id", ondelete="CASCADE"
        ),
        sa.Index("ix_name_words_order_id", "order_id"),
    )
    made.create(tx)
    sa.Table("refolding", metadata, sa.Column("last_id", sa.String(32), nullable=False)).create(tx)
    tx.execute(sa.insert(progress).values(last_id=""))


def _read_batch(tx: sa.Connection, last: str) -> Sequence[Any]:
    columns = (orders.c.id, orders.c.account_id, orders.c.document)
    page = sa.select(*columns).where(orders.c.id > last).order_by(orders.c.id).limit(BATCH)
    return tx.execute(page).all()


def _put_names(tx: sa.Connection, id_: str, first: str, last: str) -> None:
    names = {
        "first_last": f"{first} {last}"[:MAX_NAME_LENGTH],
        "last_first": f"{last} {first}"[:MAX_NAME_LENGTH],
    }
    tx.execute(sa.update(orders).where(orders.c.id == id_).values(names))


def _list_further_names(first: list[str], last: list[str]) -> list[str]:
    """A name from each further word of the surname on."""
    found = [
        " ".join((*last[at:], *first))[:MAX_NAME_LENGTH]
        for at in range(1, min(len(last), MAX_FURTHER_WORDS + 1))
    ]
    return list(dict.fromkeys(found))


def _fold(text: str) -> list[str]:
    return _decompose(text.replace(ACUTE, ""), _fold_character).split()


def _fold_character(character: str) -> str:
    if character.isascii() and character.isalnum():
        return character
    if character.isalnum():
        return "".join(filter(str.isalnum, anyascii(character).lower())) or character
    within = unicodedata.combining(character) or unicodedata.category(character) == "Cf"
    return "" if within or character in APOSTROPHES else " "


def _fold_as_before(text: str) -> str:
    return " ".join(_decompose(text, _fold_character_as_before).split())


def _fold_character_as_before(character: str) -> str:
    if character.isalnum():
        return character
    return "" if unicodedata.combining(character) or character in APOSTROPHES else " "


def _decompose(text: str, fold: Callable[[str], str]) -> str:
    plain = unicodedata.normalize("NFKD", unicodedata.normalize("NFKD", text).casefold())
    return "".join(map(fold, plain))
