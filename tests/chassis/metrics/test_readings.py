"""What is read at a scrape: certificates and disks, whatever state they are in."""

import os
from datetime import UTC, datetime
from pathlib import Path

import trustme

from chassis.metrics.readings import Certificates, build_disk_reading


def write(path: Path, *ends: int, changed: int) -> None:
    """Write certificates that expire on the first of January of these years."""
    authority = trustme.CA()
    path.write_bytes(
        b"".join(
            authority.issue_cert("localhost", not_after=datetime(year, 1, 1, tzinfo=UTC))
            .cert_chain_pems[0]
            .bytes()
            for year in ends
        )
    )
    os.utime(path, (changed, changed))


def test_the_end_of_the_first_to_expire_is_read_again_after_a_change(tmp_path: Path) -> None:
    path = tmp_path / "orders.pem"
    environment = {
        "GRPC_TLS_CERT": str(path),
        "GRPC_TLS_CA": "system",
        "GATEWAY_TLS_CERT": "",
        "GRPC_TLS_KEY": str(path),
    }
    certificates = Certificates(environment)
    assert list(certificates.read()) == []
    write(path, 2041, 2031, changed=1)
    assert list(certificates.read()) == [
        (("GRPC_TLS_CERT",), datetime(2031, 1, 1, tzinfo=UTC).timestamp())
    ]
    write(path, 2045, changed=2)
    assert list(certificates.read()) == [
        (("GRPC_TLS_CERT",), datetime(2045, 1, 1, tzinfo=UTC).timestamp())
    ]
    path.write_text("no certificate")
    assert list(certificates.read()) == []
    path.unlink()
    assert list(certificates.read()) == []


def test_a_disk_that_cannot_be_asked_has_no_value(tmp_path: Path) -> None:
    ((_, free),) = build_disk_reading(tmp_path).read()
    assert free > 0
    assert list(build_disk_reading(tmp_path / "none").read()) == []
