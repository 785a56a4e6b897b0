"""What chassis needs to run the orders service."""

from pathlib import Path

from chassis.cli.service import Service
from chassis.persons import Persons
from orders_svc import reference
from orders_svc.actions.persons.erase_person import erase_ended, erase_person
from orders_svc.documents.persons import export_person
from orders_svc.rpcs.callers import build_authenticate
from orders_svc.rpcs.servicers import build_servicers
from orders_svc.store import persons, tables
from orders_svc.store.users import find_demo_logins

SERVICE = Service(
    name="orders",
    metadata=tables.metadata,
    accounts=tables.accounts,
    idempotency_keys=tables.idempotency_keys,
    changes=tables.changes,
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
    servicers=build_servicers,
    authenticate=build_authenticate,
    open_rpcs=(
        "OrderService/CreateToken",
        "DashboardService/LogIn",
        "DashboardService/AcceptInvitation",
        "DashboardService/GetInvitation",
    ),
    demo_secrets=("demo-client-secret", "other-client-secret", "demo-staff-secret"),
    find_demo_logins=find_demo_logins,
)
