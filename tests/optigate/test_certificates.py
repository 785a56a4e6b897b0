"""`optigate certificates`: what it makes, when it renews, and what it refuses."""

import ssl
import stat
import subprocess
import sys
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from cryptography import x509

from chassis.server.tls import check_files
from chassis.settings.transport import ServerFiles
from optigate.authority import AUTHORITY_LIFETIME, LIFETIME, RENEWAL, Issuer
from optigate.certificates import renew
from optigate.command import cli
from tests.chaos.product import wait_for

NOW = datetime.now(UTC).replace(microsecond=0)
DAY = timedelta(days=1)


def issue(folder: Path, now: datetime, *names: str) -> list[str]:
    """What is made at a time."""
    issuer = Issuer(folder, now)
    made = ["authority"] if issuer.prepare() else []
    for name in names:
        issuer.trust(name)
    return made + [name for name in names if issuer.issue(name, [name])]


def read(folder: Path, name: str) -> x509.Certificate:
    """The certificate of a process."""
    return x509.load_pem_x509_certificate((folder / name / "certificate.pem").read_bytes())


def shake_hands(folder: Path, server: str, client: str, host: str) -> None:
    """Have two processes agree on TLS, each with a certificate; raises ssl.SSLError."""
    serving = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    asking = ssl.create_default_context(cafile=str(folder / client / "ca.pem"))
    for context, name in ((serving, server), (asking, client)):
        context.load_cert_chain(folder / name / "certificate.pem", folder / name / "key.pem")
    serving.load_verify_locations(folder / server / "ca.pem")
    serving.verify_mode = ssl.CERT_REQUIRED
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    ends = [
        asking.wrap_bio(to_client, to_server, server_hostname=host),
        serving.wrap_bio(to_server, to_client, server_side=True),
    ]
    for _ in range(4):
        for end in ends:
            try:
                end.do_handshake()
            except ssl.SSLWantReadError:
                continue
    assert all(end.version() == "TLSv1.3" for end in ends)
    assert all(end.getpeercert() for end in ends)


def run(*words: str | Path) -> Result:
    """Run the command."""
    return CliRunner().invoke(cli, ["certificates", *map(str, words)])


def test_processes_trust_each_other_by_their_names(tmp_path: Path) -> None:
    done = run("--folder", tmp_path, "gateway", "orders=orders.internal,10.1.2.3,fd00::1")
    assert done.output == f"{tmp_path}: made authority, gateway, orders\n"
    for host in ("orders.internal", "10.1.2.3", "fd00::1", "localhost", "127.0.0.1", "::1"):
        shake_hands(tmp_path, "orders", "gateway", host)
    with pytest.raises(ssl.SSLCertVerificationError):
        shake_hands(tmp_path, "orders", "gateway", "sessions")
    assert run("--folder", tmp_path, "gateway").output == f"{tmp_path}: all are valid\n"


def test_keys_are_their_owners_alone(tmp_path: Path) -> None:
    folder = tmp_path / "tls"
    renew(folder, {"orders": ["orders"]})
    for path in (folder / "orders", folder / "authority"):
        assert stat.S_IMODE(path.stat().st_mode) == 0o700
        assert stat.S_IMODE((path / "key.pem").stat().st_mode) == 0o600
    (folder / "orders" / "key.pem").chmod(0o644)
    assert renew(folder, {"orders": ["orders"]}) == []
    assert stat.S_IMODE((folder / "orders" / "key.pem").stat().st_mode) == 0o600
    assert {path.name for path in (folder / "orders").iterdir()} == {
        *("ca.pem", "certificate.pem", "key.pem")
    }


def test_they_are_renewed_before_they_end_and_not_sooner(tmp_path: Path) -> None:
    assert issue(tmp_path, NOW, "orders") == ["authority", "orders"]
    due = NOW + LIFETIME - RENEWAL
    first = read(tmp_path, "orders")
    assert issue(tmp_path, due - DAY, "orders") == []
    assert read(tmp_path, "orders") == first
    assert issue(tmp_path, due + DAY, "orders") == ["orders"]
    assert read(tmp_path, "orders").not_valid_after_utc == due + DAY + LIFETIME
    check_files(
        ServerFiles(tmp_path / "orders" / "certificate.pem", tmp_path / "orders" / "key.pem")
    )


def test_a_new_authority_is_trusted_beside_the_former_one(tmp_path: Path) -> None:
    issue(tmp_path, NOW - AUTHORITY_LIFETIME + RENEWAL, "gateway", "orders")
    former = x509.load_pem_x509_certificates((tmp_path / "authority" / "ca.pem").read_bytes())
    assert issue(tmp_path, NOW, "orders") == ["authority", "orders"]
    trusted = x509.load_pem_x509_certificates((tmp_path / "orders" / "ca.pem").read_bytes())
    assert (trusted[1:], len(trusted)) == (former, 2)
    # The gateway has its former certificate, and trusts the former authority.
    assert issue(tmp_path, NOW, "gateway") == ["gateway"]
    shake_hands(tmp_path, "orders", "gateway", "orders")
    # What has ended is trusted no more.
    issue(tmp_path, NOW + RENEWAL + DAY, "orders")
    assert len(x509.load_pem_x509_certificates((tmp_path / "orders" / "ca.pem").read_bytes())) == 1


@pytest.mark.parametrize("content", [b"", b"\0damaged", None], ids=["empty", "damaged", "missing"])
@pytest.mark.parametrize("name", ["key.pem", "certificate.pem"])
def test_what_was_cut_short_is_made_again(name: str, content: bytes | None, tmp_path: Path) -> None:
    issue(tmp_path, NOW, "orders")
    path = tmp_path / "orders" / name
    path.unlink() if content is None else path.write_bytes(content)
    assert issue(tmp_path, NOW, "orders") == ["orders"]
    assert issue(tmp_path, NOW, "orders") == []


def test_a_key_without_its_certificate_is_made_again(tmp_path: Path) -> None:
    issue(tmp_path, NOW, "orders", "gateway")
    (tmp_path / "gateway" / "key.pem").replace(tmp_path / "orders" / "key.pem")
    assert issue(tmp_path, NOW, "orders", "gateway") == ["orders", "gateway"]
    (tmp_path / "orders" / "key.pem").replace(tmp_path / "authority" / "key.pem")
    assert issue(tmp_path, NOW, "orders", "gateway") == ["authority", "orders", "gateway"]


def test_other_hosts_need_another_certificate(tmp_path: Path) -> None:
    run("--folder", tmp_path, "orders")
    done = run("--folder", tmp_path, "orders=orders,orders.internal")
    assert done.output == f"{tmp_path}: made orders\n"


def test_two_runs_at_once_make_one_authority(tmp_path: Path) -> None:
    made: list[list[str]] = []
    runs = [
        threading.Thread(target=lambda: made.append(renew(tmp_path, {"orders": ["orders"]})))
        for _ in range(4)
    ]
    for each in runs:
        each.start()
    for each in runs:
        each.join()
    assert sorted(made) == [[], [], [], ["authority", "orders"]]


@pytest.mark.parametrize(
    ("word", "told"),
    [
        ("authority", "no name of a process"),
        ("../orders", "no name of a process"),
        ("Orders", "no name of a process"),
        ("", "no name of a process"),
        ("orders=", None),
        ("orders=a,,b", "neither an IP address nor a host name"),
        ("orders=*.example", "neither an IP address nor a host name"),
        ("orders=höst", "neither an IP address nor a host name"),
        ("orders=a\0b", "neither an IP address nor a host name"),
        (f"orders={'a' * 64}", "neither an IP address nor a host name"),
        (f"orders={'a.' * 200}a", "neither an IP address nor a host name"),
    ],
)
def test_names_and_hosts_are_checked_first(word: str, told: str | None, tmp_path: Path) -> None:
    done = run("--folder", tmp_path / "tls", "gateway", word)
    if told is None:
        assert done.exit_code == 0
        return
    assert (done.exit_code, told in " ".join(done.stderr.split())) == (2, True), done.output
    assert not (tmp_path / "tls").exists()


def test_a_folder_that_is_a_file_is_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "orders").write_text("")
    done = run("--folder", tmp_path, "orders")
    assert (done.exit_code, done.stderr) == (
        *(1, f"Error: {tmp_path / 'orders' / 'ca.pem'}: Not a directory\n"),
    )


def test_daily_it_goes_on_until_it_is_stopped(tmp_path: Path) -> None:
    words = [sys.executable, "-m", "optigate", "certificates", "--daily", "--folder"]
    words += [str(tmp_path), "orders"]
    process = subprocess.Popen(words, stdout=subprocess.PIPE, text=True)
    try:
        wait_for((tmp_path / "orders" / "certificate.pem").exists, "a certificate")
        assert process.poll() is None
        process.terminate()
        printed, _ = process.communicate(timeout=60)
    finally:
        process.kill()
    assert (process.returncode, printed) == (0, f"{tmp_path}: made authority, orders\n")
