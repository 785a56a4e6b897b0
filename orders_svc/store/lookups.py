"""Reference data as one process caches it: tokens, users, settings, offers and endpoints."""

from collections.abc import Mapping
from typing import Any

from chassis.context import Account
from chassis.store.reference_cache import ReferenceCache
from orders_svc.rules.offer import Offer
from orders_svc.store import catalogs, tables
from orders_svc.store.access import tokens, users
from orders_svc.store.transport.drops import has_transport


class Lookups:
    """Cached queries on reference data."""

    def __init__(self, cache: ReferenceCache) -> None:
        self.cache = cache

    def find_token(self, token_hash: str) -> tokens.Token | None:
        """Return the token with this hash."""
        return self.cache.get(("token", token_hash), lambda tx: tokens.find_token(tx, token_hash))

    def find_user_id(self, account: Account, email: str) -> int | None:
        """Return the id of a client's user."""
        return self.cache.get(
            ("user", account.id, email), lambda tx: users.find_user_id(tx, account, email)
        )

    def find_settings(
        self, user_id: int, lab_id: str, account_number: str
    ) -> dict[str, Any] | None:
        """Return the settings of a lab that the user has under this account number."""
        return self.cache.get(
            ("settings", user_id, lab_id, account_number),
            lambda tx: users.find_settings(tx, user_id, lab_id, account_number),
        )

    def find_offer(self, user_id: int, order: Mapping[str, Any]) -> Offer | None:
        """Return what the order's lab offers; None if the user does not have this lab."""
        lab_id, lens = order.get("lab", ""), order.get("lens", {})
        settings = self.find_settings(user_id, lab_id, order.get("account_number", ""))
        if settings is None:
            return None
        if not lens:
            return Offer(settings)
        ids = catalogs.LensIds.of(lab_id, lens)
        parts: dict[str, Any] = self.cache.get(ids, lambda tx: catalogs.find_lens_parts(tx, ids))
        return Offer(settings, **parts)

    def has_endpoint(self, client: Account) -> bool:
        """Return whether a client receives events: most do not, and need no outbox row."""
        return self.cache.get(
            ("endpoint", client.id),
            lambda tx: tables.outbox.endpoints.find(tx, client.name) is not None,
        )

    def has_transport(self, lab_id: str) -> bool:
        """Return whether jobs are sent to a lab."""
        return self.cache.get(("transport", lab_id), lambda tx: has_transport(tx, lab_id))
