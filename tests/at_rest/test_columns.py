"""Every column that can hold text is personal, and sealed, or it is listed here with what it holds.

A new column of text, JSON, bytes or a day fails this test until it is in `store/personal.py` or in
`PLAIN`: see CONTRIBUTING.md.
"""

import pytest
from sqlalchemy import Boolean, Float, Integer
from sqlalchemy.types import TypeEngine

from chassis.store.database import Instant
from tests.serving import SERVICES, get_definition

NUMBERS = (Integer, Boolean, Float, Instant)  # and moments
# Columns that stay plain, by table: ids, statuses, catalog parts, the operator's and the shops' own
# data, hashes of secrets. Keys and references are pseudonyms that clients choose.
PLAIN_EVERYWHERE = {
    "accounts": "name secret_hash role",
    "audit_entries": "account actor rpc ids request_id outcome",
    "audit_seals": "digest",
    "encryption_keys": "name proof",
    "endpoints": "owner url headers secret events format",
    "idempotency_keys": "rpc key",
    "old_secrets": "secret_hash",
    "outbox": "id owner stream type content_type state last_error traceparent",
}
PLAIN = {
    "sessions": {
        "assets": "content_type",
        "charges": "id owner kind subject currency provider state ref payment_ref last_error",
        "payment_accounts": "owner provider api_url",
        "dispensed_prescriptions": "type",
        "links": "token_hash exam_hash",
        "partners": "limits redirect_url link_host language prices",
        "products": "product_key",
        "sessions": "user_key session_key status charged_currency products chosen_product store_id"
        " price_currency paid_by",
        "stores": "id name",
        "users": "user_key person_ref",
    },
    "orders": {
        "addons": "lab_id material_id kind id name type",
        "dashboard_sessions": "token_hash",
        "invitations": "token_hash",
        "job_deliveries": "order_id event_id state last_error",
        "labs": "id name settings job_drop",
        "lens_packages": "id lab_id account_number name document",  # an optician's presets
        "login_attempts": "key",
        "login_devices": "token_hash",
        "materials": "lab_id id name styles_of addons_of blank_sizes",
        "messages": "id channel outcome order_id",
        "name_words": "name order_id",  # hashed where encryption is on
        "order_history": "order_id event lab_status by",
        # first_last and last_first are empty where encryption is on.
        "orders": "id lab_id account_number lab_status tray_number invoice_number first_last"
        " last_first cancel_answer original_id tracking_code person_ref",
        # Names of files and sentences on their lines, which hold nothing of the lines.
        "status_files": "lab_id digest name refused",
        "status_polls": "lab_id last_error files",
        "style_materials": "lab_id style_id material_id",
        "styles": "lab_id id name lens_type blank_sizes",
        "tokens": "token_hash",
        "user_labs": "lab_id account_number",
        "users": "email password_hash",  # of the dashboard
    },
    "subscriptions": {
        "account_merchants": "merchant_id",
        "box_counters": "item_id",
        "box_deliveries": "subscription_id item_id request_id outcome",
        "box_outcomes": "outcome request_id",
        "cancellations": "subscription_id request_id",
        "cancelled_items": "item_id",
        "cart_items": "id reference_uuid subscription_id parent_id type reference name eye added_in"
        " removed_in discount_type",
        "graduation_changes": "item_id reference name request_id",
        "merchants": "id locale currency country time_zone name terms_url phone email"
        " prescription_policy reminders",
        "messages": "id channel outcome cart_id reminder",
        "reminders": "subscription_id code",
        "charges": "id owner kind subject currency provider state ref payment_ref last_error",
        "payment_accounts": "owner provider api_url",
        "payment_entries": "payment_id merchant_id kind method reference booked_on request_id",
        "payments": "id subscription_id merchant_id currency due_on state",
        "pending_carts": "subscription_id id code cart_items",
        # Days, which lists and reminders look for, and states; powers and names are sealed.
        "prescriptions": "item_id subscription_id issued_on expires_on country time_zone state"
        " reason",
        "stores": "merchant_id store_ref",
        "subscription_totals": "merchant_id store_ref",
        "subscription_words": "merchant_id word subscription_id",  # hashed, but for references
        "subscriptions": "id merchant_id store_ref reference operator_ref person_ref status"
        " payment_status contract_number cart_id cart_code",
        "warranty_events": "item_id type request_id",
    },
}


def can_hold_text(kind: TypeEngine[object]) -> bool:
    """Whether a type is neither of numbers nor of moments."""
    return not isinstance(kind, NUMBERS)


@pytest.mark.parametrize("service", SERVICES)
def test_each_column_is_sealed_or_known_to_be_plain(service: str) -> None:
    definition = get_definition(service)
    sealed = {(each.table.name, name) for each in definition.personal for name in each.columns}
    listed = {**PLAIN_EVERYWHERE, **PLAIN[service]}
    plain = {(table, name) for table, names in listed.items() for name in names.split()}
    columns = {
        (table.name, column.name)
        for table in definition.metadata.sorted_tables
        for column in table.c
        if can_hold_text(column.type)
    }
    assert columns == sealed | plain
    assert not sealed & plain
    assert len(definition.personal) == len({each.table for each in definition.personal})


@pytest.mark.parametrize("service", SERVICES)
def test_a_row_is_bound_to_its_whole_key(service: str) -> None:
    """What identifies a row is never sealed, and, but for one table, unique."""
    for each in get_definition(service).personal:
        assert not set(each.identity) & set(each.columns)
        unique = [{key.name for key in each.table.primary_key}]
        unique += [{key.name} for key in each.table.c if key.unique]
        for constraint in each.table.constraints:
            unique.append({key.name for key in getattr(constraint, "columns", ())})
        assert set(each.identity) in unique or each.table.name == "warranty_events"
