"""The tables of the subscriptions service.

Whoever changes a subscription locks its row first: then nobody else can change it, its items, its
boxes or its pending cart.
"""

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Date,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
    false,
    text,
    true,
)

from chassis.audit.trail import Trail
from chassis.events.outbox import Outbox
from chassis.notices.queue import build_messages_table
from chassis.server.accounts import Accounts, build_accounts_table
from chassis.server.idempotency import IdempotencyKeys, build_idempotency_table
from chassis.store.database import NAMING_CONVENTION, Instant, partial_index, shared_key
from chassis.store.encryption.columns import Day, personal_text
from chassis.store.encryption.registry import build_keys_table
from chassis.store.reference_cache import build_changes_table
from subscriptions_svc.rules.words import MAX_WORD_LENGTH

metadata = MetaData(naming_convention=NAMING_CONVENTION)
accounts = Accounts(build_accounts_table(metadata))
idempotency_keys = IdempotencyKeys(build_idempotency_table(metadata))
changes = build_changes_table(metadata)
keys = build_keys_table(metadata)
outbox = Outbox(metadata)
audit = Trail(metadata)

merchants = Table(
    "merchants",
    metadata,
    Column("id", String(255), primary_key=True),
    Column("locale", String(35), nullable=False),
    Column("currency", String(3), nullable=False),
    Column("country", String(2), nullable=False),
    Column("time_zone", String(64), nullable=False),
    Column("name", String(255)),  # as shoppers see it; if null, the id
    Column("terms_url", String(2000)),
    Column("phone", String(40)),  # of the shop, for shoppers
    Column("email", String(254)),
    # Whether exchanges are allowed before the first anniversary.
    Column("first_year_exchanges", Boolean, nullable=False, server_default=true()),
    # The most that a shopper may owe, in minor units: see pre-approvals.
    Column("amount_limit", BigInteger, nullable=False, server_default=text("0")),
    # Days from the first delivery in which returned items cost nothing: see rules.withdrawals.
    Column("withdrawal_days", Integer, nullable=False, server_default=text("0")),
    # none, warn or require: see rules.prescriptions.policies.
    Column("prescription_policy", String(8), nullable=False, server_default=text("'none'")),
    # The most months that its subscriptions are renewed for: see rules.agreements.terms.
    Column("renewal_months", Integer, nullable=False, server_default=text("0")),
    # The kinds of reminders that its shoppers get, "one two": see rules.reminding.
    Column("reminders", String(255), nullable=False, server_default=text("''")),
    # Whether a payment is opened for each month: see store.paying.
    Column("monthly_payments", Boolean, nullable=False, server_default=false()),
)
stores = Table(
    "stores",
    metadata,
    Column("merchant_id", ForeignKey("merchants.id"), primary_key=True),
    Column("store_ref", String(255), primary_key=True),
)
account_merchants = Table(
    "account_merchants",
    metadata,
    Column("account_id", ForeignKey("accounts.id"), primary_key=True),
    Column("merchant_id", ForeignKey("merchants.id"), primary_key=True),
)
_HAS_MONTHS = "status = 'active' AND activated_at IS NOT NULL"
_LIVE = "status NOT IN ('cancelled', 'finished')"
subscriptions = Table(
    "subscriptions",
    metadata,
    Column("id", String(36), primary_key=True),
    Column("merchant_id", ForeignKey("merchants.id"), nullable=False),
    Column("store_ref", String(255), nullable=False),
    Column("reference", String(255), nullable=False),
    Column("operator_ref", String(255)),
    Column("person_ref", String(64)),  # the merchant's own, the same in all APIs
    Column("given_names", personal_text(255)),
    Column("surnames", personal_text(255)),
    Column("mobile_phone", personal_text(255)),
    Column("email", personal_text(255)),
    Column("date_of_birth", Day()),
    Column("nin", personal_text(255)),
    Column("nin_control", personal_text(255)),
    Column("address", personal_text(255)),
    Column("postal_code", personal_text(255)),
    Column("city", personal_text(255)),
    Column("discounts", Text),  # a JSON array, as it was sent
    Column("status", String(32), nullable=False),
    Column("payment_status", String(16), nullable=False),
    Column("contract_number", String(16)),
    Column("cart_id", String(36), nullable=False),
    Column("cart_code", String(32), nullable=False, unique=True),
    Column("total_months", Integer, nullable=False),  # agreed on, renewed ones not included
    Column("renewal_months", Integer, nullable=False, server_default=text("0")),
    # The subscription year whose change has extended it: see rules.agreements.terms.
    Column("extended_year", Integer),
    Column("created_at", Instant(), nullable=False),
    Column("confirmed_at", Instant()),
    Column("activated_at", Instant()),
    Column("renewal_at", Instant()),  # when it ends: the last renewal that there can be
    # How often the count of a waiting cart's SMS was reset.
    Column("sms_resets", Integer, nullable=False, server_default=text("0")),
    Column("next_payment_at", Instant()),  # when the next month's payment is opened
    Column("erased_at", Instant()),  # when its personal fields were blanked
    Column("first_delivery_at", Instant()),  # of an item or a box
    UniqueConstraint("merchant_id", "contract_number"),
    Index("ix_subscriptions_listing", "merchant_id", "created_at", "id"),
    # Covers all that a list by status reads, so that it is counted without the rows.
    Index(
        "ix_subscriptions_status",
        "merchant_id",
        "status",
        "created_at",
        "id",
        "renewal_at",
        "payment_status",
        "store_ref",
    ),
    Index("ix_subscriptions_merchant_id_activated_at", "merchant_id", "activated_at"),
    partial_index(
        "ix_subscriptions_person_ref",
        "person_ref",
        "merchant_id",
        where="person_ref IS NOT NULL",
    ),
    Index("ix_subscriptions_merchant_id_nin", "merchant_id", "nin"),
    # What time alone moves: see transitions.find_due.
    partial_index(
        "ix_subscriptions_activating",
        "confirmed_at",
        where="status = 'activating'",
    ),
    partial_index(
        "ix_subscriptions_active",
        "renewal_at",
        where="status = 'active'",
    ),
    partial_index(
        "ix_subscriptions_next_payment",
        "merchant_id",
        "next_payment_at",
        where=_HAS_MONTHS,
    ),
    partial_index(
        "uq_subscriptions_live_reference",
        "merchant_id",
        "reference",
        unique=True,
        where=_LIVE,
    ),
)
# The words of a search: see rules.words. Both engines order them by code point.
WORD = String(MAX_WORD_LENGTH).with_variant(String(MAX_WORD_LENGTH, collation="C"), "postgresql")
subscription_words = Table(
    "subscription_words",
    metadata,
    Column("merchant_id", String(255), primary_key=True),
    Column("word", WORD, primary_key=True),
    Column("subscription_id", ForeignKey("subscriptions.id"), primary_key=True),
    sqlite_with_rowid=False,
)
# How many subscriptions a store has; none is ever deleted.
subscription_totals = Table(
    "subscription_totals",
    metadata,
    Column("merchant_id", ForeignKey("merchants.id"), primary_key=True),
    Column("store_ref", String(255), primary_key=True),
    Column("total", Integer, nullable=False),
)
cart_items = Table(
    "cart_items",
    metadata,
    Column("id", String(36), primary_key=True),
    Column("reference_uuid", String(36), nullable=False, unique=True),
    Column("subscription_id", ForeignKey("subscriptions.id"), nullable=False),
    # A package precedes its items, an older cart a newer one.
    Column("position", Integer, nullable=False),
    Column("parent_id", ForeignKey("cart_items.id")),
    Column("type", String(32), nullable=False),
    Column("reference", String(255)),
    Column("name", String(255), nullable=False),
    Column("quantity", Integer, nullable=False),
    Column("price_with_tax", BigInteger, nullable=False),
    Column("subscription_price", BigInteger, nullable=False),
    # Of a discounted item: see rules.agreements.discounts.
    Column("discount_type", String(16)),
    Column("original_price_with_tax", BigInteger),
    Column("original_subscription_price", BigInteger),
    Column("subscription_vat_rate", Integer),
    Column("eye", String(8)),
    Column("box_count", Integer),
    Column("exchange_cycle", Integer),
    Column("activated_at", Instant()),
    # The carts that added and removed it; null means the first cart, and none.
    Column("added_in", String(36)),
    Column("removed_in", String(36)),
    Column("removed_at", Instant()),
    UniqueConstraint("subscription_id", "position"),
)
# Prescriptions of contact lenses. A change adds a version; the one that is not replaced counts.
prescriptions = Table(
    "prescriptions",
    metadata,
    # No foreign key: the item of a pending cart has an id, and no row yet.
    Column("item_id", String(36), primary_key=True),
    Column("version", Integer, primary_key=True, autoincrement=False),
    Column("subscription_id", ForeignKey("subscriptions.id"), nullable=False, index=True),
    Column("details", JSON),  # powers, measures, and the prescriber's name; null once erased
    Column("issued_on", Date, nullable=False),
    Column("expires_on", Date, nullable=False, index=True),  # as stated, or derived
    Column("is_derived", Boolean, nullable=False),
    Column("country", String(2), nullable=False),  # of the prescriber, as is the time zone
    Column("time_zone", String(64), nullable=False),
    Column("state", String(16), nullable=False),  # see rules.prescriptions.verification
    Column("reason", String(16)),
    Column("requested_at", Instant()),
    Column("verify_by", Instant()),
    Column("decided_at", Instant()),
    Column("created_at", Instant(), nullable=False),
    Column("replaced_at", Instant()),
    partial_index(
        "uq_prescriptions_in_force",
        "item_id",
        unique=True,
        where="replaced_at IS NULL",
    ),
)
# Proposed carts that wait for the shopper: at most one per subscription.
pending_carts = Table(
    "pending_carts",
    metadata,
    Column("subscription_id", ForeignKey("subscriptions.id"), primary_key=True),
    Column("id", String(36), nullable=False),
    Column("code", String(32), nullable=False, unique=True),
    Column("cart_items", JSON, nullable=False),  # see pending_carts.propose_cart
    Column("proposed_at", Instant(), nullable=False),
)
# Boxes of an item handed over in a subscription year, with a cap that no statement can exceed.
# `carried` counts the boxes of the lenses that it replaced, which may exceed its own cap.
box_counters = Table(
    "box_counters",
    metadata,
    Column("item_id", ForeignKey("cart_items.id"), primary_key=True),
    Column("year", Integer, primary_key=True, autoincrement=False),
    Column("box_count", Integer, nullable=False),
    Column("delivered", Integer, nullable=False),  # including carried ones
    Column("carried", Integer, nullable=False, server_default=text("0")),
    Column("last_delivered_at", Instant(), nullable=False),
    CheckConstraint(
        "carried >= 0 AND delivered BETWEEN carried AND box_count + carried",
        name="cap",
    ),
)
# The ledger of boxes handed over: rows are added and never changed.
box_deliveries = Table(
    "box_deliveries",
    metadata,
    Column("id", BigInteger().with_variant(Integer, "sqlite"), primary_key=True),
    Column("subscription_id", ForeignKey("subscriptions.id"), nullable=False, index=True),
    Column("item_id", ForeignKey("cart_items.id"), nullable=False, index=True),
    Column("year", Integer, nullable=False),
    Column("quantity", Integer, nullable=False),
    Column("account_id", shared_key("accounts.id"), nullable=False),
    Column("request_id", String(128), nullable=False),
    Column("delivered_at", Instant(), nullable=False, index=True),
    # delivered, or unknown: handed to a carrier.
    Column("outcome", String(16), nullable=False, server_default=text("'delivered'")),
)
# What became of boxes that were handed to a carrier: rows are added and never changed. Those of
# returned boxes take them off the count of their year.
box_outcomes = Table(
    "box_outcomes",
    metadata,
    Column("delivery_id", ForeignKey("box_deliveries.id"), primary_key=True),
    Column("outcome", String(16), nullable=False),  # delivered or returned
    Column("account_id", ForeignKey("accounts.id"), nullable=False),
    Column("request_id", String(128), nullable=False),
    Column("recorded_at", Instant(), nullable=False),
)
# Parameters of lenses as they were before a change: rows are added and never changed.
graduation_changes = Table(
    "graduation_changes",
    metadata,
    Column("id", BigInteger().with_variant(Integer, "sqlite"), primary_key=True),
    Column("item_id", ForeignKey("cart_items.id"), nullable=False, index=True),
    Column("reference", String(255)),
    Column("name", String(255), nullable=False),
    # The item's newest ledger entry at that time, 0 for none.
    Column("last_delivery_id", BigInteger, nullable=False),
    Column("account_id", ForeignKey("accounts.id"), nullable=False),
    Column("request_id", String(128), nullable=False),
    Column("changed_at", Instant(), nullable=False),
)
# How a subscription was cancelled, and the settlement of its items.
cancellations = Table(
    "cancellations",
    metadata,
    Column("subscription_id", ForeignKey("subscriptions.id"), primary_key=True),
    Column("reason", personal_text(255), nullable=False),
    Column("purchase_fee", BigInteger, nullable=False),
    Column("total_to_pay", BigInteger, nullable=False),
    Column("account_id", ForeignKey("accounts.id"), nullable=False),
    Column("request_id", String(128), nullable=False),
    Column("cancelled_at", Instant(), nullable=False),
)
cancelled_items = Table(
    "cancelled_items",
    metadata,
    Column("item_id", ForeignKey("cart_items.id"), primary_key=True),
    Column("is_kept", Boolean, nullable=False),
    Column("cost", BigInteger, nullable=False),
)
# Repairs and replacements: rows are added and never changed.
warranty_events = Table(
    "warranty_events",
    metadata,
    Column("id", BigInteger().with_variant(Integer, "sqlite"), primary_key=True),
    Column("item_id", ForeignKey("cart_items.id"), nullable=False, index=True),
    Column("type", String(16), nullable=False),
    Column("charged_amount", BigInteger, nullable=False),
    Column("name", personal_text(255)),
    Column("description", Text),
    Column("account_id", ForeignKey("accounts.id"), nullable=False),
    Column("request_id", String(128), nullable=False),
    Column("created_at", Instant(), nullable=False),
)
# Messages to shoppers.
messages = build_messages_table(
    metadata,
    Column("cart_id", String(36), nullable=False),
    # How often its subscription's SMS had been reset: those of earlier resets do not count.
    Column("sms_resets", Integer, nullable=False, server_default=text("0")),
    Column("reminder", String(32)),  # its kind; null for a link that the shop has sent
    Index("ix_messages_cart_id_channel", "cart_id", "channel"),
)
