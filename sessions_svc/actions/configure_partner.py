"""Replaces the configuration of a partner."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import Connection

from chassis.context import note_ids
from chassis.errors import NotFound
from chassis.store.reference_cache import invalidate
from sessions_svc.store.partners import find_partner_id, replace_configuration
from sessions_svc.store.tables import changes, outbox


def configure_partner(
    tx: Connection, partner: str, configuration: Mapping[str, Any], now: datetime
) -> str:
    """Replace the configuration, and return the secret of its endpoint; empty without one.

    Every process uses the new configuration within a second. Raises NotFound.
    """
    account_id = find_partner_id(tx, partner)
    if account_id is None:
        raise NotFound("There is no such partner.")
    note_ids(partner)
    replace_configuration(tx, account_id, partner, configuration, now)
    invalidate(tx, changes)
    if not configuration["endpoint"]:
        return ""
    secret: str = outbox.endpoints.get(tx, partner).secret
    return secret
