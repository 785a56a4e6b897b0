"""DeleteLensPackage: delete a saved lens of a user."""

from sqlalchemy import Connection

from chassis.errors import NotFound
from orders_svc.store.lens_packages import delete_package


def delete_lens_package(tx: Connection, user_id: int, package_id: str) -> None:
    """Delete a package of the user; raises NotFound."""
    if not delete_package(tx, user_id, package_id):
        raise NotFound("You have no such lens package.")
