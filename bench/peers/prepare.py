"""`python -m bench.peers.prepare`: the peers' database at DATABASE_URL, with the demo data.

Prints as JSON the id of a confirmed subscription of which some boxes are delivered.
"""

import json
import os
import secrets
import tomllib
import uuid
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import create_engine
from sqlalchemy.orm import Session

from bench.peers import tables
from bench.peers.orders import hash_secret

DEMO = Path(__file__).parents[2] / "demo"
DELIVERED = (2, 1)  # boxes of the left and the right eye


def prepare(url: str) -> str:
    """Create the tables in an empty database and fill them; return the id of the subscription."""
    engine = create_engine(url)
    tables.Base.metadata.create_all(engine)
    with Session(engine) as session, session.begin():
        orders = tomllib.loads((DEMO / "orders.toml").read_text())
        subscriptions = tomllib.loads((DEMO / "subscriptions.toml").read_text())
        accounts = {
            each["name"]: tables.Account(
                name=each["name"],
                secret_hash=hash_secret(each["secret"]),
                role=each.get("role", "client"),
            )
            for each in orders["accounts"] + subscriptions["accounts"]
        }
        session.add_all(accounts.values())
        session.flush()
        _add_labs(session, orders["labs"])
        for user in orders["users"]:
            row = tables.User(account_id=accounts[user["account"]].id, email=user["email"])
            session.add(row)
            session.flush()
            for lab in user.get("labs", ()):
                session.add(
                    tables.UserLab(
                        user_id=row.id, lab_id=lab["lab"], account_number=lab["account_number"]
                    )
                )
        for merchant in subscriptions["merchants"]:
            known = tables.Merchant.__table__.columns.keys()
            session.add(tables.Merchant(**{name: merchant[name] for name in known}))
        session.flush()
        for each in subscriptions["references"]:
            id_ = accounts[each["account"]].id
            session.add_all(
                tables.AccountMerchant(account_id=id_, merchant_id=merchant)
                for merchant in each["merchants"]
            )
        subscription_id = _add_subscription(
            session, json.loads((DEMO / "subscription.json").read_text())
        )
    engine.dispose()
    return subscription_id


def _add_labs(session: Session, labs: list[dict[str, Any]]) -> None:
    for lab in labs:
        of = {"lab_id": lab["id"]}
        session.add(tables.Lab(id=lab["id"], name=lab["name"], settings=lab["settings"]))
        session.flush()
        session.add_all(tables.Style(**of, **style) for style in lab["styles"])
        session.flush()
        for material in lab["materials"]:
            made = {**of, "material_id": material["id"]}
            session.add_all(
                tables.StyleMaterial(**made, style_id=style) for style in material["styles"]
            )
            session.add_all(
                tables.Addon(**made, kind=kind, id=id_)
                for kind in ("color", "coat", "tint")
                for id_ in material.get(f"{kind}s", ())
            )


def _add_subscription(session: Session, body: dict[str, Any]) -> str:
    now = datetime.now(UTC)
    confirmed_at = now - timedelta(days=40)
    subscription = tables.Subscription(
        id=str(uuid.uuid4()),
        merchant_id=body["merchant"]["id"],
        **{
            name: body[name]
            for name in ("reference", "given_names", "surnames", "mobile_phone", "email")
        },
        status="activating",
        payment_status="pending",
        contract_number=secrets.token_hex(6).upper(),
        cart_id=str(uuid.uuid4()),
        cart_code=secrets.token_urlsafe(16),
        total_months=24,
        created_at=confirmed_at,
        confirmed_at=confirmed_at,
    )
    session.add(subscription)
    session.flush()
    (package,) = body["cart_items"]
    parent = _build_item(session, subscription.id, 0, package, None)
    for position, (lens, boxes) in enumerate(zip(package["items"], DELIVERED, strict=True), 1):
        item = _build_item(session, subscription.id, position, lens, parent.id)
        counter = tables.BoxCounter(item_id=item.id, year=1, delivered=boxes)
        counter.last_delivered_at = now - timedelta(days=10)
        session.add(counter)
    return subscription.id


def _build_item(
    session: Session, subscription_id: str, position: int, item: dict[str, Any], parent: str | None
) -> tables.CartItem:
    row = tables.CartItem(
        id=str(uuid.uuid4()),
        reference_uuid=str(uuid.uuid4()),
        subscription_id=subscription_id,
        position=position,
        parent_id=parent,
        **{name: item[name] for name in ("type", "reference", "name", "quantity")},
        price_with_tax=item["price_with_tax"],
        subscription_price=item.get(
            "subscription_price",
            sum(each["subscription_price"] * each["quantity"] for each in item.get("items", ())),
        ),
        eye=item.get("product_data", {}).get("eye"),
        box_count=item.get("box_count"),
        exchange_cycle=item.get("exchange_cycle"),
    )
    session.add(row)
    session.flush()
    return row


if __name__ == "__main__":
    print(json.dumps({"subscription_id": prepare(os.environ["DATABASE_URL"])}))
