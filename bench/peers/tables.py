"""The tables of the peers, one database for both APIs, in SQLAlchemy's declarative form."""

from datetime import datetime
from typing import Any

from sqlalchemy import JSON, BigInteger, ForeignKey, ForeignKeyConstraint, Index, String
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship

from chassis.store.database import NAMING_CONVENTION, Instant


class Base(DeclarativeBase):
    """The base of all tables."""

    type_annotation_map = {  # noqa: RUF012 - SQLAlchemy wants a plain dict
        datetime: Instant(),
        dict[str, Any]: JSON(),
    }


Base.metadata.naming_convention = NAMING_CONVENTION


class Account(Base):
    """An account that may call."""

    __tablename__ = "accounts"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(64), unique=True)
    secret_hash: Mapped[str] = mapped_column(String(64))
    role: Mapped[str] = mapped_column(String(16))
    revoked_at: Mapped[datetime | None]


class Token(Base):
    """A bearer token."""

    __tablename__ = "tokens"
    token_hash: Mapped[str] = mapped_column(String(64), primary_key=True)
    account_id: Mapped[int] = mapped_column(ForeignKey(Account.id), index=True)
    expires_at: Mapped[datetime] = mapped_column(index=True)


class User(Base):
    """A dashboard user of a client."""

    __tablename__ = "users"
    id: Mapped[int] = mapped_column(primary_key=True)
    account_id: Mapped[int] = mapped_column(ForeignKey(Account.id), index=True)
    email: Mapped[str] = mapped_column(String(254), unique=True)


class Lab(Base):
    """A lens lab and its option lists."""

    __tablename__ = "labs"
    id: Mapped[str] = mapped_column(String(64), primary_key=True)
    name: Mapped[str] = mapped_column(String(200))
    settings: Mapped[dict[str, Any]]


class UserLab(Base):
    """A lab that a user orders from."""

    __tablename__ = "user_labs"
    user_id: Mapped[int] = mapped_column(ForeignKey(User.id), primary_key=True)
    lab_id: Mapped[str] = mapped_column(ForeignKey(Lab.id), primary_key=True)
    account_number: Mapped[str] = mapped_column(String(64), primary_key=True)


class Style(Base):
    """A lens style."""

    __tablename__ = "styles"
    lab_id: Mapped[str] = mapped_column(ForeignKey(Lab.id), primary_key=True)
    id: Mapped[str] = mapped_column(String(64), primary_key=True)
    name: Mapped[str] = mapped_column(String(200))
    lens_type: Mapped[str] = mapped_column(String(16))


class StyleMaterial(Base):
    """A material that a style is made in."""

    __tablename__ = "style_materials"
    lab_id: Mapped[str] = mapped_column(String(64), primary_key=True)
    style_id: Mapped[str] = mapped_column(String(64), primary_key=True)
    material_id: Mapped[str] = mapped_column(String(64), primary_key=True)
    __table_args__ = (ForeignKeyConstraint(["lab_id", "style_id"], ["styles.lab_id", "styles.id"]),)


class Addon(Base):
    """A color, coat or tint of a material."""

    __tablename__ = "addons"
    lab_id: Mapped[str] = mapped_column(ForeignKey(Lab.id), primary_key=True)
    material_id: Mapped[str] = mapped_column(String(64), primary_key=True)
    kind: Mapped[str] = mapped_column(String(8), primary_key=True)
    id: Mapped[str] = mapped_column(String(64), primary_key=True)


class Order(Base):
    """An order: columns for what is searched, a document for the rest."""

    __tablename__ = "orders"
    id: Mapped[str] = mapped_column(String(32), primary_key=True)
    account_id: Mapped[int] = mapped_column(ForeignKey(Account.id))
    user_id: Mapped[int] = mapped_column(ForeignKey(User.id))
    lab_id: Mapped[str] = mapped_column(ForeignKey(Lab.id))
    account_number: Mapped[str] = mapped_column(String(64))
    lab_status: Mapped[str] = mapped_column(String(16))
    tray_number: Mapped[str | None] = mapped_column(String(50))
    invoice_number: Mapped[str | None] = mapped_column(String(50))
    document: Mapped[dict[str, Any]]
    created_at: Mapped[datetime] = mapped_column()
    updated_at: Mapped[datetime]
    __table_args__ = (
        Index("ix_orders_listing", account_id, lab_id, account_number, created_at, id),
    )


class IdempotencyKey(Base):
    """The answer that an account got under a key."""

    __tablename__ = "idempotency_keys"
    account_id: Mapped[int] = mapped_column(ForeignKey(Account.id), primary_key=True)
    key: Mapped[str] = mapped_column(String(255), primary_key=True)
    fingerprint: Mapped[str] = mapped_column(String(64))
    answer: Mapped[dict[str, Any]]
    created_at: Mapped[datetime] = mapped_column(index=True)


class Merchant(Base):
    """A shop and its settings."""

    __tablename__ = "merchants"
    id: Mapped[str] = mapped_column(String(255), primary_key=True)
    locale: Mapped[str] = mapped_column(String(35))
    currency: Mapped[str] = mapped_column(String(3))
    country: Mapped[str] = mapped_column(String(2))
    time_zone: Mapped[str] = mapped_column(String(64))


class AccountMerchant(Base):
    """A merchant that an account acts for."""

    __tablename__ = "account_merchants"
    account_id: Mapped[int] = mapped_column(ForeignKey(Account.id), primary_key=True)
    merchant_id: Mapped[str] = mapped_column(ForeignKey(Merchant.id), primary_key=True)


class Subscription(Base):
    """A subscription with its cart."""

    __tablename__ = "subscriptions"
    id: Mapped[str] = mapped_column(String(36), primary_key=True)
    merchant_id: Mapped[str] = mapped_column(ForeignKey(Merchant.id))
    reference: Mapped[str] = mapped_column(String(255))
    given_names: Mapped[str | None] = mapped_column(String(255))
    surnames: Mapped[str | None] = mapped_column(String(255))
    mobile_phone: Mapped[str | None] = mapped_column(String(255))
    email: Mapped[str | None] = mapped_column(String(255))
    status: Mapped[str] = mapped_column(String(32))
    payment_status: Mapped[str] = mapped_column(String(16))
    contract_number: Mapped[str | None] = mapped_column(String(16))
    cart_id: Mapped[str] = mapped_column(String(36))
    cart_code: Mapped[str] = mapped_column(String(32), unique=True)
    total_months: Mapped[int]
    created_at: Mapped[datetime]
    confirmed_at: Mapped[datetime | None]
    activated_at: Mapped[datetime | None]
    renewal_at: Mapped[datetime | None]
    merchant: Mapped[Merchant] = relationship()
    items: Mapped[list["CartItem"]] = relationship(order_by="CartItem.position")


class CartItem(Base):
    """An item of a cart; a package precedes its items."""

    __tablename__ = "cart_items"
    id: Mapped[str] = mapped_column(String(36), primary_key=True)
    reference_uuid: Mapped[str] = mapped_column(String(36), unique=True)
    subscription_id: Mapped[str] = mapped_column(ForeignKey(Subscription.id), index=True)
    position: Mapped[int]
    parent_id: Mapped[str | None] = mapped_column(ForeignKey("cart_items.id"))
    type: Mapped[str] = mapped_column(String(32))
    reference: Mapped[str | None] = mapped_column(String(255))
    name: Mapped[str] = mapped_column(String(255))
    quantity: Mapped[int]
    price_with_tax: Mapped[int] = mapped_column(BigInteger)
    subscription_price: Mapped[int] = mapped_column(BigInteger)
    eye: Mapped[str | None] = mapped_column(String(8))
    box_count: Mapped[int | None]
    exchange_cycle: Mapped[int | None]
    activated_at: Mapped[datetime | None]
    counters: Mapped[list["BoxCounter"]] = relationship()


class BoxCounter(Base):
    """Boxes of an item handed over in a subscription year."""

    __tablename__ = "box_counters"
    item_id: Mapped[str] = mapped_column(ForeignKey(CartItem.id), primary_key=True)
    year: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    delivered: Mapped[int]
    last_delivered_at: Mapped[datetime]
