"""Runs this service's migrations in the transaction that `migrate` opened."""

from chassis.store.migrations import run_migrations
from subscriptions_svc.store.tables import metadata

run_migrations(metadata)
