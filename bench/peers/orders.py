"""The peers' queries about an order, and their rules."""

import hashlib
import hmac
import secrets
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import and_, bindparam, literal, select, union_all
from sqlalchemy.orm import Session

from bench.peers.refusals import Fault, build_orders_error
from bench.peers.tables import (
    Account,
    Addon,
    IdempotencyKey,
    Lab,
    Order,
    Style,
    StyleMaterial,
    Token,
    User,
    UserLab,
)

PUBLIC_URL = "http://127.0.0.1:8080"
TOKEN_LIFE = timedelta(hours=24)
KEY_LIFE = timedelta(hours=24)
KEY_IN_USE = "A request with this Idempotency-Key is under way."

_ACCOUNT = select(Account).where(Account.name == bindparam("name"), Account.revoked_at.is_(None))
_CALLER = (
    select(Token.account_id, User.id)
    .join(Account, Account.id == Token.account_id)
    .outerjoin(User, and_(User.account_id == Token.account_id, User.email == bindparam("email")))
    .where(
        Token.token_hash == bindparam("token_hash"),
        Token.expires_at > bindparam("now"),
        Account.revoked_at.is_(None),
    )
)
_SETTINGS = (
    select(Lab.settings)
    .join(UserLab, UserLab.lab_id == Lab.id)
    .where(
        UserLab.user_id == bindparam("user_id"),
        UserLab.lab_id == bindparam("lab_id"),
        UserLab.account_number == bindparam("account_number"),
    )
)
_OF_STYLE = and_(
    StyleMaterial.lab_id == bindparam("lab_id"),
    StyleMaterial.style_id == bindparam("style_id"),
    StyleMaterial.material_id == bindparam("material_id"),
)
_LENS = union_all(
    select(literal("style"), Style.id).where(
        Style.lab_id == bindparam("lab_id"), Style.id == bindparam("style_id")
    ),
    select(literal("material"), StyleMaterial.material_id).where(_OF_STYLE),
    select(Addon.kind, Addon.id).where(
        _OF_STYLE,
        Addon.lab_id == StyleMaterial.lab_id,
        Addon.material_id == StyleMaterial.material_id,
        Addon.id.in_(bindparam("named", expanding=True)),
    ),
)
_KEY = select(IdempotencyKey).where(
    IdempotencyKey.account_id == bindparam("account_id"),
    IdempotencyKey.key == bindparam("key"),
    IdempotencyKey.created_at > bindparam("since"),
)
_ORDER = select(Order).where(
    Order.id == bindparam("order_id"),
    Order.account_id == bindparam("account_id"),
    Order.user_id == bindparam("user_id"),
)


def hash_secret(secret: str) -> str:
    """Return the digest that is stored of a secret or token."""
    return hashlib.sha256(secret.encode()).hexdigest()


def find_account(session: Session, name: str, secret: str) -> Account | None:
    """Return the live account with this name and secret."""
    account = session.scalar(_ACCOUNT, {"name": name})
    known = account.secret_hash if account else ""
    return account if hmac.compare_digest(known, hash_secret(secret)) else None


def build_token(account: Account) -> tuple[str, Token]:
    """Return a new token, and its row."""
    token = "tok_" + secrets.token_urlsafe(32)
    expires_at = datetime.now(UTC) + TOKEN_LIFE
    return token, Token(token_hash=hash_secret(token), account_id=account.id, expires_at=expires_at)


def find_caller(session: Session, authorization: str, email: str) -> tuple[int, int]:
    """Return the ids of the calling account and user; raise 401, 400 or 403."""
    scheme, _, token = authorization.partition(" ")
    found = None
    if scheme.lower() == "bearer":
        key = {"token_hash": hash_secret(token), "email": email, "now": datetime.now(UTC)}
        found = session.execute(_CALLER, key).first()
    if found is None:
        raise build_orders_error(401, "The token is unknown or has expired; fetch a new one.")
    if not email:
        raise build_orders_error(
            400, "", [("User-Email", "Send the e-mail address of a dashboard user.")]
        )
    if found[1] is None:
        fault = ("User-Email", "Must be the e-mail address of a user of this client.")
        raise build_orders_error(403, "", [fault])
    return found[0], found[1]


def find_offer_faults(session: Session, user_id: int, order: Mapping[str, Any]) -> list[Fault]:
    """Return each value of an order that its lab does not offer."""
    lab_id = order["lab"]
    key = {"user_id": user_id, "lab_id": lab_id, "account_number": order["account_number"]}
    settings = session.scalar(_SETTINGS, key)
    if settings is None:
        return [("lab", "Must be one of your labs, with its account_number.")]
    faults = list(_find_settings_faults(order, settings))
    if lens := order.get("lens"):
        named = [*lens.get("coats", ()), lens["color"], lens.get("tint", "")]
        of = {"lab_id": lab_id, "style_id": lens["style"], "material_id": lens["material"]}
        rows = session.execute(_LENS, {**of, "named": named})
        faults += _find_lens_faults(lens, {(kind, id_) for kind, id_ in rows})
    return faults


def _find_settings_faults(
    order: Mapping[str, Any], settings: Mapping[str, list[str]]
) -> Iterator[Fault]:
    chosen = [
        ("mounting_option", order.get("mounting_option"), "mounting_options"),
        ("frame.handling", order["frame"]["handling"], "frame_handling_options"),
        *((f"services.{i}", each, "services") for i, each in enumerate(order.get("services", ()))),
        ("redo_data.type", order.get("redo_data", {}).get("type"), "redo_types"),
    ]
    if order["order_type"] != "rx":
        chosen.append(("order_type", order["order_type"], "order_types"))
    for path, word, name in chosen:
        if word is not None and word not in settings[name]:
            yield path, f"Must be one of the lab's {name}: {', '.join(settings[name])}."


def _find_lens_faults(lens: Mapping[str, Any], found: set[tuple[str, str]]) -> Iterator[Fault]:
    for kind in ("style", "material", "color"):
        if (kind, lens[kind]) not in found:
            yield f"lens.{kind}", f"Must be the id of a {kind} that the lab offers here."
            if kind != "color":
                return
    for index, coat in enumerate(lens.get("coats", ())):
        if ("coat", coat) not in found:
            yield f"lens.coats.{index}", "Must be the id of a coat of the style and material."
    if "tint" in lens and ("tint", lens["tint"]) not in found:
        yield "lens.tint", "Must be a tint of the style and material."


def find_kept_answer(
    session: Session, account_id: int, key: str, request: bytes
) -> dict[str, str] | None:
    """Return the answer kept under a key; raise 422 where another request has used it."""
    if not key:
        return None
    since = datetime.now(UTC) - KEY_LIFE
    found = session.scalar(_KEY, {"account_id": account_id, "key": key, "since": since})
    if found is None:
        return None
    if found.fingerprint != hashlib.sha256(request).hexdigest():
        raise build_orders_error(422, "Another request has used this Idempotency-Key.")
    return found.answer


def keep_answer(
    session: Session, account_id: int, key: str, request: bytes, answer: dict[str, str]
) -> None:
    """Add the row that keeps an answer under a key, if there is one."""
    if key:
        fingerprint, now = hashlib.sha256(request).hexdigest(), datetime.now(UTC)
        row = IdempotencyKey(account_id=account_id, key=key, fingerprint=fingerprint)
        row.answer, row.created_at = answer, now
        session.add(row)


def build_order(account_id: int, user_id: int, order: dict[str, Any]) -> Order:
    """Return the row of a new order."""
    now = datetime.now(UTC)
    return Order(
        id="ord_" + secrets.token_hex(12),
        account_id=account_id,
        user_id=user_id,
        lab_id=order["lab"],
        account_number=order["account_number"],
        lab_status="draft" if order["mode"] == "draft" else "submitted",
        document=order,
        created_at=now,
        updated_at=now,
    )


def build_answer(order_id: str, mode: str) -> dict[str, str]:
    """Return the answer to a new order."""
    answer = {"id": order_id}
    if mode == "draft":
        answer["url"] = f"{PUBLIC_URL}/orders/{order_id}"
    return answer


def read_order(session: Session, who: tuple[int, int], order_id: str) -> dict[str, Any]:
    """Return an order as it was sent, and its status; raise 404."""
    key = {"order_id": order_id, "account_id": who[0], "user_id": who[1]}
    order = session.scalar(_ORDER, key)
    if order is None:
        raise build_orders_error(404, "You have no such order.")
    return {
        **order.document,
        "id": order.id,
        "url": f"{PUBLIC_URL}/orders/{order.id}",
        "lab_status": order.lab_status,
        "tray_number": order.tray_number,
        "invoice_number": order.invoice_number,
        "warnings": [],
        "created": int(order.created_at.timestamp()),
        "updated": int(order.updated_at.timestamp()),
    }
