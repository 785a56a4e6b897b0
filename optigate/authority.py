"""A private authority and the certificates that it issues, in files: for gRPC between processes."""

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

LIFETIME = timedelta(days=90)
RENEWAL = timedelta(days=30)  # before the end; `doctor` warns 21 days before it
AUTHORITY_LIFETIME = timedelta(days=3650)
MAX_CLOCK_SKEW = timedelta(hours=1)
OWN_HOSTS = ("localhost", "127.0.0.1", "::1")  # `health` asks from the same machine
UNREADABLE = (FileNotFoundError, ValueError, TypeError, UnsupportedAlgorithm)


@dataclass(frozen=True)
class Pair:
    """A certificate and its key."""

    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey

    def fits(self) -> bool:
        """Whether the key is that of the certificate: a renewal may have been cut short."""
        mine, certified = self.key.public_key(), self.certificate.public_key()
        return _encode_public(mine) == _encode_public(certified)


@dataclass
class Issuer:
    """Issues certificates into folders below `folder`, and renews those that are due.

    `authority/ca.pem` holds the authority, which `authority/key.pem` signs for, and after it former
    ones that are still valid: certificates of both are trusted until the last one is renewed.
    """

    folder: Path
    now: datetime
    authority: Pair = field(init=False)
    trusted: bytes = field(init=False)

    def prepare(self) -> bool:
        """Read the authority, or make one where there is none or it ends; returns whether made."""
        path = self.folder / "authority"
        known = list(_read_certificates(path / "ca.pem"))
        pair = _read_pair(path / "key.pem", known)
        is_good = pair and pair.fits() and self._lasts(pair.certificate, LIFETIME + RENEWAL)
        self.authority = pair if pair and is_good else self._make_authority()
        former = [each for each in known if each != self.authority.certificate]
        valid = [each for each in former if each.not_valid_after_utc > self.now]
        self.trusted = b"".join(map(_encode, [self.authority.certificate, *valid]))
        if not is_good:
            # In this order: a key without its certificate is replaced by the next run.
            _write(path / "key.pem", _encode_key(self.authority.key), 0o600)
        _write(path / "ca.pem", self.trusted, 0o644)
        return not is_good

    def trust(self, name: str) -> None:
        """Write the authorities that a process trusts; before any certificate is renewed."""
        _write(self.folder / name / "ca.pem", self.trusted, 0o644)

    def issue(self, name: str, hosts: Sequence[str]) -> bool:
        """Issue a certificate for a process unless it has a good one; returns whether issued."""
        path = self.folder / name
        wanted = list(dict.fromkeys([*hosts, *OWN_HOSTS]))
        pair = _read_pair(path / "key.pem", list(_read_certificates(path / "certificate.pem")))
        if pair and pair.fits() and self._is_good(pair.certificate, wanted):
            (path / "key.pem").chmod(0o600)
            return False
        made = self._make(name, wanted)
        _write(path / "key.pem", _encode_key(made.key), 0o600)
        _write(path / "certificate.pem", _encode(made.certificate), 0o644)
        return True

    def _lasts(self, certificate: x509.Certificate, time: timedelta) -> bool:
        begins, ends = certificate.not_valid_before_utc, certificate.not_valid_after_utc
        return begins <= self.now and self.now + time < ends

    def _is_good(self, certificate: x509.Certificate, hosts: Sequence[str]) -> bool:
        try:
            certificate.verify_directly_issued_by(self.authority.certificate)
            found = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName)
        except (ValueError, TypeError, InvalidSignature, x509.ExtensionNotFound):
            return False
        names = set(found.value) == set(map(_name_host, hosts))
        return names and self._lasts(certificate, RENEWAL)

    def _make_authority(self) -> Pair:
        key = ec.generate_private_key(ec.SECP256R1())
        name = _name(f"Optigate authority of {self.now:%Y-%m-%d %H:%M:%S}")
        builder = self._build(name, name, key, AUTHORITY_LIFETIME)
        builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=0), True)
        builder = builder.add_extension(_use_key(signs=False, certifies=True), True)
        return Pair(builder.sign(key, hashes.SHA256()), key)

    def _make(self, name: str, hosts: Sequence[str]) -> Pair:
        key, issuer = ec.generate_private_key(ec.SECP256R1()), self.authority
        builder = self._build(_name(name), issuer.certificate.subject, key, LIFETIME)
        usages = [ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]
        authority_key = x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer.key.public_key())
        for extension, is_critical in (
            (x509.SubjectAlternativeName(map(_name_host, hosts)), False),
            (x509.BasicConstraints(ca=False, path_length=None), True),
            (_use_key(signs=True, certifies=False), True),
            (x509.ExtendedKeyUsage(usages), False),
            (authority_key, False),
        ):
            builder = builder.add_extension(extension, is_critical)
        return Pair(builder.sign(issuer.key, hashes.SHA256()), key)

    def _build(
        self,
        subject: x509.Name,
        issuer: x509.Name,
        key: ec.EllipticCurvePrivateKey,
        time: timedelta,
    ) -> x509.CertificateBuilder:
        identifier = x509.SubjectKeyIdentifier.from_public_key(key.public_key())
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(issuer)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(self.now - MAX_CLOCK_SKEW)
            .not_valid_after(self.now + time)
            .add_extension(identifier, False)
        )


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def _name_host(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ip_address(host))
    except ValueError:
        return x509.DNSName(host)


def _use_key(*, signs: bool, certifies: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=signs,
        key_cert_sign=certifies,
        crl_sign=certifies,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _encode(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(Encoding.PEM)


def _encode_key(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def _encode_public(key: object) -> bytes:
    encoded: bytes = key.public_bytes(  # type: ignore[attr-defined]  # of every public key
        Encoding.DER, PublicFormat.SubjectPublicKeyInfo
    )
    return encoded


def _read_certificates(path: Path) -> Iterator[x509.Certificate]:
    """Yield the certificates of a file; none if there is no such file, or it is damaged."""
    try:
        yield from x509.load_pem_x509_certificates(path.read_bytes())
    except UNREADABLE:
        return


def _read_pair(path: Path, certificates: Sequence[x509.Certificate]) -> Pair | None:
    """Return the key of a file with the first certificate; None unless both are there."""
    try:
        key = load_pem_private_key(path.read_bytes(), password=None)
    except UNREADABLE:
        return None
    if not certificates or not isinstance(key, ec.EllipticCurvePrivateKey):
        return None
    return Pair(certificates[0], key)


def _write(path: Path, content: bytes, mode: int) -> None:
    """Replace a file at once, unless it has this content; nobody else ever reads a key."""
    try:
        if path.read_bytes() == content:
            path.chmod(mode)
            return
    except FileNotFoundError:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    new = path.with_name(f"{path.name}.new")
    new.unlink(missing_ok=True)
    descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    with os.fdopen(descriptor, "wb") as opened:
        opened.write(content)
        opened.flush()
        os.fsync(opened.fileno())
    new.chmod(mode)
    new.replace(path)
