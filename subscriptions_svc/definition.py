"""What chassis needs to run the subscriptions service."""

import os
from contextlib import AbstractContextManager
from pathlib import Path

from chassis.background import run_loops
from chassis.cli.service import Service
from chassis.events.courier import Courier
from chassis.notices.channels import choose_channels
from chassis.notices.postman import Postman
from chassis.notices.sweeper import Sweeper
from chassis.payments.calls import Caller
from chassis.payments.cashier import Cashier
from chassis.persons import Persons
from chassis.server.server import Resources
from chassis.settings.variables import DEFAULT_PUBLIC_URL, check_public_url
from chassis.store.database import Database
from subscriptions_svc import reference
from subscriptions_svc.actions.advance_by_time import create_reminder_loop, create_time_loop
from subscriptions_svc.actions.paying.receive_callback import record_outcome
from subscriptions_svc.actions.persons.erase_person import erase_ended, erase_person
from subscriptions_svc.documents.events import build_test_event
from subscriptions_svc.documents.persons import export_person
from subscriptions_svc.rpcs.provider_service import ProviderService
from subscriptions_svc.rpcs.shopper_service import ShopperService
from subscriptions_svc.rpcs.subscription_desk_service import SubscriptionDeskService
from subscriptions_svc.rpcs.subscription_service import SubscriptionService
from subscriptions_svc.store import personal, persons, tables
from subscriptions_svc.store.messages import QUEUE
from subscriptions_svc.store.paying import tables as paying


def create_servicers(resources: Resources) -> list[object]:
    """Return the gRPC services of this process."""
    database, now = resources.database, resources.now
    return [
        SubscriptionService(database, now, resources.public_url),
        SubscriptionDeskService(database, now, resources.public_url),
        ShopperService(database, now, resources.public_url),
        ProviderService(database, now),
    ]


def run_in_background(
    database: Database, data_dir: Path, courier: Courier
) -> AbstractContextManager[None]:
    """Send messages, call payment providers and advance subscriptions, beside the RPCs."""
    channels = choose_channels(os.environ, data_dir, database.keyring)
    postman = Postman(database, QUEUE, channels)
    sweeper = Sweeper(database, tables.messages, data_dir / "messages")
    cashier = Cashier(
        database,
        paying.accounts,
        paying.charges,
        record_outcome,
        Caller(private=courier.private),
    )
    public_url = check_public_url(os.environ.get("GATEWAY_PUBLIC_URL") or DEFAULT_PUBLIC_URL)
    by_time = create_time_loop(database), create_reminder_loop(database, public_url)
    return run_loops(postman.create_loop(), sweeper.create_loop(), *by_time, cashier)


SERVICE = Service(
    name="subscriptions",
    metadata=tables.metadata,
    accounts=tables.accounts,
    idempotency_keys=tables.idempotency_keys,
    changes=tables.changes,
    keys=tables.keys,
    outbox=tables.outbox,
    build_test_event=build_test_event,
    audit=tables.audit,
    persons=Persons(
        kinds=persons.KINDS,
        find=persons.find_subscriptions_of_person,
        export=export_person,
        erase=erase_person,
        erase_ended=erase_ended,
        find_old=persons.find_old_subscriptions,
    ),
    migrations=Path(__file__).parent / "migrations",
    reference=reference.REFERENCE,
    load=reference.load,
    reference_tables=(
        tables.accounts.table,
        tables.merchants,
        tables.stores,
        tables.account_merchants,
        tables.outbox.endpoints.table,
        paying.accounts.table,
    ),
    servicers=create_servicers,
    personal_tables=personal.TABLES,
    sealed_folders=["messages"],
    open_rpcs=["ShopperService", "ProviderService"],
    demo_secrets=("demo-merchant-secret", "other-merchant-secret", "demo-staff-secret"),
    background=run_in_background,
)
