"""The endpoints of owners: where their events are sent, at most one each.

They are part of the owners' reference data. An endpoint that answers 410 is
disabled, until another URL is loaded or `events enable` is run; events that occur
meanwhile are stored as cancelled, and `events replay` delivers them. An endpoint
without a secret gets a random one. Omitting an owner's endpoint removes it and
cancels its pending events.
"""

import base64
import binascii
import re
import secrets
from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any
from urllib.parse import urlsplit

from marshmallow import Schema, ValidationError, fields, post_load, validate
from sqlalchemy import (
    JSON,
    Column,
    Connection,
    MetaData,
    Row,
    String,
    Table,
    Text,
    bindparam,
    delete,
    insert,
    select,
    update,
)

from chassis.errors import NotFound
from chassis.events.formats import JSON_FORMAT
from chassis.store.database import Instant, wake_on_commit

_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,100}\Z")
_VALUE = re.compile(r"[!-~]([ \t!-~]{0,998}[!-~])?\Z")
_TYPE = re.compile(r"[!-~]{1,100}\Z")
# Headers that a delivery sets itself.
_RESERVED_HEADERS = frozenset(
    {
        "connection",
        "content-length",
        "content-type",
        "expect",
        "host",
        "keep-alive",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
        "webhook-id",
        "webhook-signature",
        "webhook-timestamp",
    }
)


def build_endpoints_table(metadata: MetaData) -> Table:
    """The table of endpoints, the same in each service."""
    return Table(
        "endpoints",
        metadata,
        Column("owner", String(255), primary_key=True),
        Column("url", String(2000), nullable=False),
        Column("headers", JSON, nullable=False),
        Column("secret", String(128), nullable=False),
        Column("events", Text),  # the types it wants, " one two "; null: all but those on request
        Column("format", String(8)),  # of bodies: json; null: as the service writes them
        Column("disabled_at", Instant()),  # when it answered 410
    )


class Endpoints:
    """The endpoints in one service's database."""

    def __init__(self, table: Table, outbox: Table) -> None:
        self.table = table
        self.outbox = outbox
        self._find = select(table).where(table.c.owner == bindparam("owner"))

    def put(
        self, tx: Connection, owner: str, endpoint: dict[str, Any] | None, now: datetime
    ) -> None:
        """Add, update or (None) remove an owner's endpoint; a new URL enables it again."""
        table = self.table
        if endpoint is None:
            if tx.execute(delete(table).where(table.c.owner == owner)).rowcount:
                self._cancel(tx, owner, now)
            return
        values = dict(endpoint)
        if values["events"] is not None:
            values["events"] = f" {' '.join(values['events'])} "
        if values["secret"] is None:
            del values["secret"]
        found = self.find(tx, owner)
        if found is None:
            tx.execute(
                insert(table).values(
                    {"secret": generate_signing_secret(), **values, "owner": owner}
                )
            )
            return
        if found.url != values["url"]:
            values["disabled_at"] = None
        tx.execute(update(table).where(table.c.owner == owner).values(values))
        wake_on_commit()

    def find(self, tx: Connection, owner: str) -> Row[Any] | None:
        """An owner's endpoint, if there is one."""
        return tx.execute(self._find, {"owner": owner}).first()

    def get(self, tx: Connection, owner: str) -> Row[Any]:
        """An owner's endpoint; raises NotFound."""
        found = self.find(tx, owner)
        if found is None:
            raise NotFound("This owner has no endpoint.")
        return found

    def all(self, tx: Connection) -> Sequence[Row[Any]]:
        """Every endpoint, by owner."""
        return tx.execute(select(self.table).order_by(self.table.c.owner)).all()

    def enable(self, tx: Connection, owner: str) -> None:
        """Deliver again to an endpoint that answered 410; raises NotFound."""
        own = self.table.c.owner == owner
        if not tx.execute(update(self.table).where(own).values(disabled_at=None)).rowcount:
            raise NotFound("This owner has no endpoint.")

    def disable(self, tx: Connection, owner: str, url: str, now: datetime) -> None:
        """Stop delivering to this URL, and cancel the owner's pending events."""
        live = (
            (self.table.c.owner == owner)
            & (self.table.c.url == url)
            & self.table.c.disabled_at.is_(None)
        )
        if tx.execute(update(self.table).where(live).values(disabled_at=now)).rowcount:
            self._cancel(tx, owner, now)

    def _cancel(self, tx: Connection, owner: str, now: datetime) -> None:
        pending = (self.outbox.c.owner == owner) & (self.outbox.c.state == "pending")
        tx.execute(update(self.outbox).where(pending).values(state="cancelled", ended_at=now))


def generate_signing_secret() -> str:
    """A random signing secret in the format of Standard Webhooks."""
    return "whsec_" + base64.b64encode(secrets.token_bytes(32)).decode()


def decode_secret(secret: str) -> bytes:
    """The key in a signing secret; raises ValueError."""
    prefix, _, packed = secret.partition("_")
    if prefix != "whsec":
        raise ValueError("it does not begin with whsec_")
    return base64.b64decode(packed, validate=True)


def check_url(url: str) -> None:
    """Raise ValidationError unless events can be sent to this URL."""
    try:
        parts = urlsplit(url)
        _port = parts.port
    except ValueError:
        raise ValidationError("Must be a URL.") from None
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValidationError("Must be an http or https URL.")
    if not re.fullmatch(r"[!-~]{1,2000}", url) or "\\" in url:
        raise ValidationError("Must be at most 2000 visible ASCII characters, without backslash.")
    if "@" in parts.netloc:
        raise ValidationError("Must not contain a user or password: use a header.")
    if parts.fragment:
        raise ValidationError("Must not have a fragment.")


def _check_secret(secret: str) -> None:
    try:
        length = len(decode_secret(secret))
    except (ValueError, binascii.Error):
        length = 0
    if not 24 <= length <= 64:
        raise ValidationError("Must be whsec_ and the base64 of 24 to 64 bytes.")


def _check_headers(headers: dict[str, str]) -> None:
    if len(headers) > 20 or len({name.lower() for name in headers}) < len(headers):
        raise ValidationError("Must be at most 20 headers, each once.")
    if reserved := sorted(name for name in headers if name.lower() in _RESERVED_HEADERS):
        raise ValidationError(f"Reserved headers: {', '.join(reserved)}.")


class EndpointSchema(Schema):
    """An endpoint in reference data; `types` are the event types of the service."""

    def __init__(self, types: Collection[str]) -> None:
        super().__init__()
        self.types = frozenset(types)

    url = fields.String(required=True, validate=check_url)
    headers = fields.Dict(
        keys=fields.String(validate=validate.Regexp(_TOKEN)),
        values=fields.String(validate=validate.Regexp(_VALUE)),
        load_default=dict,
        validate=_check_headers,
    )
    secret = fields.String(load_default=None, validate=_check_secret)
    events = fields.List(fields.String(validate=validate.Regexp(_TYPE)), load_default=None)

    format = fields.String(load_default=None, validate=validate.OneOf((JSON_FORMAT,)))

    @post_load
    def check_types(self, data: dict[str, Any], **_: Any) -> dict[str, Any]:
        """Refuse unknown types: the events of a misspelt one would never arrive."""
        if unknown := sorted(set(data["events"] or ()) - self.types):
            known = ", ".join(sorted(self.types))
            text = f"Unknown type: {unknown[0]}. The types are {known}."
            raise ValidationError({"events": [text]})
        return data


def endpoint_field(types: Collection[str]) -> fields.Nested:
    """The field `endpoint` of an owner; if absent, the owner has none."""
    return fields.Nested(EndpointSchema(types), load_default=None)
