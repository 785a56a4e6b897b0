"""the words of a search, folded to Latin letters as well"""

import unicodedata
from collections.abc import Mapping
from typing import Any

import sqlalchemy as sa
from alembic import op
from anyascii import anyascii

revision = "0008"
down_revision = "0007"

BATCH = 1000
PERSON = ("given_names", "surnames", "mobile_phone", "reference")
COLUMNS = ("merchant_id", "word", "subscription_id")


def upgrade() -> None:
    _reindex(latin=True)


def downgrade() -> None:
    _reindex(latin=False)


def _reindex(*, latin: bool) -> None:
    """Replace the words of subscriptions that the two versions fold differently."""
    tx = op.get_bind()
    kept = sa.table("subscriptions", *map(sa.column, ("id", "merchant_id", *PERSON)))
    words = sa.table("subscription_words", *map(sa.column, COLUMNS))
    page = sa.select(kept).order_by(kept.c.id).limit(BATCH)
    last = ""
    while rows := tx.execute(page.where(kept.c.id > last)).all():
        changed = [row for row in rows if not _is_plain(row)]
        if changed:
            ids = [row.id for row in changed]
            tx.execute(sa.delete(words).where(words.c.subscription_id.in_(ids)))
        added = [
            (row.merchant_id, word, row.id)
            for row in changed
            for word in sorted(_find_words(row._asdict(), latin))
        ]
        if added:
            tx.execute(sa.insert(words), [dict(zip(COLUMNS, each, strict=True)) for each in added])
        last = rows[-1].id


def _is_plain(row: Any) -> bool:
    """Whether both versions fold a person's texts alike, as they do with ASCII."""
    return all((getattr(row, name) or "").isascii() for name in PERSON)


# The words as this version folds them: frozen here, so that later ones may fold otherwise.
def _find_words(person: Mapping[str, Any], latin: bool) -> set[str]:
    texts = (person.get(each) or "" for each in ("given_names", "surnames", "reference"))
    found = {word for text in texts for word in _split_words(text, latin)}
    if phone := "".join(_split_words(person.get("mobile_phone") or "", latin)):
        starts = range(max(0, len(phone) - 15), len(phone) - 2)
        found |= {phone[:64], *(phone[start:] for start in starts)}
    return found


def _split_words(text: str, latin: bool) -> list[str]:
    text = text.replace("\u00b4", "")
    plain = unicodedata.normalize("NFKD", unicodedata.normalize("NFKD", text).casefold())
    return [word[:64] for word in "".join(_fold(each, latin) for each in plain).split()]


def _fold(character: str, latin: bool) -> str:
    if character.isalnum() and (character.isascii() or not latin):
        return character
    if character.isalnum():
        return "".join(filter(str.isalnum, anyascii(character).lower())) or character
    within = unicodedata.combining(character) or unicodedata.category(character) == "Cf"
    return "" if within or character in "'`\u2019\u02bc" else " "
