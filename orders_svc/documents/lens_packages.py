"""Saved lens packages as messages."""

from orders_svc.documents.orders import Columns, to_unix
from protos import orders_pb2 as pb


def build_package(row: Columns) -> pb.LensPackage:
    """Return a lens package."""
    return pb.LensPackage(
        id=row["id"],
        lab=row["lab_id"],
        account_number=row["account_number"],
        name=row["name"],
        created=to_unix(row["created_at"]),
        **row["document"],
    )
