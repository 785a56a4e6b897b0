"""words that a search finds subscriptions by, in an index"""

import unicodedata
from collections.abc import Mapping
from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"

BATCH = 1000
PERSON = ("given_names", "surnames", "mobile_phone", "reference")


def upgrade() -> None:
    word = sa.String(length=64).with_variant(sa.String(64, collation="C"), "postgresql")
    op.create_table(
        "subscription_words",
        sa.Column("merchant_id", sa.String(length=255), nullable=False),
        sa.Column("word", word, nullable=False),
        sa.Column("subscription_id", sa.String(length=36), nullable=False),
        sa.ForeignKeyConstraint(
            ["subscription_id"],
            ["subscriptions.id"],
            name=op.f("fk_subscription_words_subscription_id"),
        ),
        sa.PrimaryKeyConstraint(
            "merchant_id", "word", "subscription_id", name=op.f("pk_subscription_words")
        ),
        sqlite_with_rowid=False,
    )
    _fill()
    op.execute("ALTER TABLE subscriptions DROP COLUMN search_text")


def _fill() -> None:
    """The words of subscriptions that were made before."""
    tx = op.get_bind()
    kept = sa.table("subscriptions", *map(sa.column, ("id", "merchant_id", *PERSON)))
    columns = ("merchant_id", "word", "subscription_id")
    table = sa.table("subscription_words", *map(sa.column, columns))
    page = sa.select(kept).order_by(kept.c.id).limit(BATCH)
    last = ""
    while rows := tx.execute(page.where(kept.c.id > last)).all():
        added = [
            (row.merchant_id, word, row.id) for row in rows for word in _words_of(row._asdict())
        ]
        if added:
            tx.execute(sa.insert(table), [dict(zip(columns, each, strict=True)) for each in added])
        last = rows[-1].id


def downgrade() -> None:
    tx = op.get_bind()
    op.add_column(
        "subscriptions", sa.Column("search_text", sa.Text(), nullable=False, server_default="")
    )
    kept = sa.table("subscriptions", *map(sa.column, ("id", "search_text", *PERSON)))
    for row in tx.execute(sa.select(kept)).all():
        name = " ".join(each for each in (row.given_names, row.surnames) if each is not None)
        text = "\n".join((name, row.mobile_phone or "", row.reference))
        found = sa.update(kept).where(kept.c.id == row.id).values(search_text=_folded(text))
        tx.execute(found)
    op.drop_table("subscription_words")


def _folded(text: str) -> str:
    """As version 0001 kept what is searched."""
    letters = unicodedata.normalize("NFKD", text.casefold())
    return "".join(each for each in letters if not unicodedata.combining(each))


# The words as this version took them: frozen here, so that later ones may take others.
def _words_of(person: Mapping[str, Any]) -> set[str]:
    texts = (person.get(each) or "" for each in ("given_names", "surnames", "reference"))
    found = {word for text in texts for word in _words(text)}
    if phone := "".join(_words(person.get("mobile_phone") or "")):
        starts = range(max(0, len(phone) - 15), len(phone) - 2)
        found |= {phone[:64], *(phone[start:] for start in starts)}
    return found


def _words(text: str) -> list[str]:
    text = text.replace("\u00b4", "")
    plain = unicodedata.normalize("NFKD", unicodedata.normalize("NFKD", text).casefold())
    parts = "".join(each if each.isalnum() else _gap(each) for each in plain).split()
    return [part[:64] for part in parts]


def _gap(character: str) -> str:
    inside = unicodedata.combining(character) or unicodedata.category(character) == "Cf"
    return "" if inside or character in "'`\u2019\u02bc" else " "
