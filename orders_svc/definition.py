"""What chassis needs to run the orders service."""

import os
from contextlib import AbstractContextManager
from pathlib import Path

from chassis.background import run_loops
from chassis.cli.service import Service
from chassis.events.courier import Courier
from chassis.notices.channels import choose_channels
from chassis.notices.postman import Postman
from chassis.notices.sweeper import Sweeper
from chassis.persons import Persons
from chassis.store.database import Database
from orders_svc import reference
from orders_svc.actions.advance_by_time import create_time_loop
from orders_svc.actions.persons.erase_person import erase_ended, erase_person
from orders_svc.actions.transport.read_status_files import StatusReader
from orders_svc.actions.transport.send_job import build_carrier
from orders_svc.documents.persons import export_person
from orders_svc.rpcs.callers import build_authenticate
from orders_svc.rpcs.servicers import build_servicers
from orders_svc.store import personal, persons, tables
from orders_svc.store.access.users import find_demo_logins


def run_in_background(
    database: Database, data_dir: Path, courier: Courier
) -> AbstractContextManager[None]:
    """Transmit orders whose window is over, send messages to patients, and read status files."""
    channels = choose_channels(os.environ, data_dir, database.keyring)
    postman = Postman(database, personal.QUEUE, channels)
    sweeper = Sweeper(database, tables.messages, data_dir / "messages")
    reader = StatusReader(database, private=courier.private)
    loops = (postman.create_loop(), sweeper.create_loop(), create_time_loop(database))
    return run_loops(*loops, reader)


SERVICE = Service(
    name="orders",
    metadata=tables.metadata,
    accounts=tables.accounts,
    idempotency_keys=tables.idempotency_keys,
    changes=tables.changes,
    keys=tables.keys,
    outbox=tables.outbox,
    audit=tables.audit,
    persons=Persons(
        kinds=persons.KINDS,
        find=persons.find_orders_of_person,
        export=export_person,
        erase=erase_person,
        erase_ended=erase_ended,
        find_old=persons.find_old_orders,
    ),
    migrations=Path(__file__).parent / "migrations",
    reference=reference.REFERENCE,
    load=reference.load,
    reference_tables=(
        tables.accounts.table,
        tables.users,
        tables.labs,
        tables.user_labs,
        tables.styles,
        tables.materials,
        tables.style_materials,
        tables.addons,
        tables.outbox.endpoints.table,
    ),
    servicers=build_servicers,
    authenticate=build_authenticate,
    carrier=build_carrier,
    background=run_in_background,
    personal_tables=personal.TABLES,
    sealed_folders=["messages"],
    open_rpcs=(
        "OrderService/CreateToken",
        "DashboardService/LogIn",
        "DashboardService/AcceptInvitation",
        "DashboardService/GetInvitation",
        "TrackingService",
    ),
    optimistic_rpcs=["OrderService/CreateOrder"],
    demo_secrets=("demo-client-secret", "other-client-secret", "demo-staff-secret"),
    find_demo_logins=find_demo_logins,
)
