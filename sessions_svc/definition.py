"""What chassis needs to run the sessions service."""

from contextlib import AbstractContextManager
from pathlib import Path

from chassis.background import run_loops
from chassis.cli.service import Service
from chassis.events.courier import Courier
from chassis.payments.calls import Caller
from chassis.payments.cashier import Cashier
from chassis.persons import Persons
from chassis.server.server import Resources
from chassis.store.database import Database
from sessions_svc import reference
from sessions_svc.actions.payments.receive_payment_callback import record_outcome
from sessions_svc.actions.persons.erase_person import erase_ended, erase_person
from sessions_svc.documents.persons import export_person
from sessions_svc.rpcs.door_service import DoorService
from sessions_svc.rpcs.session_desk_service import SessionDeskService
from sessions_svc.rpcs.session_service import SessionService
from sessions_svc.store import personal, persons, tables


def create_servicers(resources: Resources) -> list[object]:
    """Create the servicers of this service."""
    database, now = resources.database, resources.now
    return [
        SessionService(database, resources.cache, resources.public_url, now),
        SessionDeskService(database, now),
        DoorService(database, resources.public_url, now),
    ]


def run_in_background(
    database: Database, _data_dir: Path, courier: Courier
) -> AbstractContextManager[None]:
    """Call payment providers beside the RPCs."""
    caller = Caller(private=courier.private)
    return run_loops(
        Cashier(database, tables.payment_accounts, tables.charges, record_outcome, caller)
    )


SERVICE = Service(
    name="sessions",
    metadata=tables.metadata,
    accounts=tables.accounts,
    idempotency_keys=tables.idempotency_keys,
    changes=tables.changes,
    keys=tables.keys,
    outbox=tables.outbox,
    audit=tables.audit,
    persons=Persons(
        kinds=persons.KINDS,
        find=persons.find_sessions_of_person,
        export=export_person,
        erase=erase_person,
        erase_ended=erase_ended,
        find_old=persons.find_old_sessions,
    ),
    migrations=Path(__file__).parent / "migrations",
    reference=reference.REFERENCE,
    load=reference.load,
    reference_tables=(
        tables.accounts.table,
        tables.partners,
        tables.stores,
        tables.products,
        tables.outbox.endpoints.table,
        tables.payment_accounts.table,
    ),
    servicers=create_servicers,
    personal_tables=personal.TABLES,
    background=run_in_background,
    # Nobody needs an account here: the token of the link or exam is the credential.
    open_rpcs=["DoorService"],
    demo_secrets=("demo-partner-secret", "other-partner-secret", "demo-staff-secret"),
    # More than an Approve may hold, so that one that is too large is refused with its fault.
    max_request_bytes=16 * 1024 * 1024,
)
