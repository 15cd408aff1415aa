"""Keys and certificates of the test cluster, and of the servers beside it that the API server asks (`cluster.py`, `controllers.py`)."""

from __future__ import annotations

import datetime as dt
import ipaddress
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

LIFE = dt.timedelta(days=30)
_PEM = serialization.Encoding.PEM


def key_pair(folder: Path, name: str) -> None:
    """`NAME.key` and `NAME.pub`, such as service accounts' tokens are signed with."""
    key = ec.generate_private_key(ec.SECP256R1())
    (folder / f"{name}.key").write_bytes(_private(key))
    public = key.public_key().public_bytes(_PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    (folder / f"{name}.pub").write_bytes(public)


@dataclass(frozen=True)
class Authority:
    """Who signs certificates. Its own is `ca.crt` in its folder; its key is kept nowhere."""

    folder: Path
    key: ec.EllipticCurvePrivateKey
    certificate: x509.Certificate

    @classmethod
    def made(cls, folder: Path) -> Authority:
        """A new one."""
        folder.mkdir(parents=True, exist_ok=True)
        key = ec.generate_private_key(ec.SECP256R1())
        subject = _name("trueup-tests-ca")
        built = _begun(subject, subject, key.public_key()).add_extension(
            x509.BasicConstraints(True, None), critical=True
        )
        certificate = built.sign(key, hashes.SHA256())
        (folder / "ca.crt").write_bytes(certificate.public_bytes(_PEM))
        return cls(folder, key, certificate)

    @property
    def path(self) -> Path:
        """The certificate that others trust."""
        return self.folder / "ca.crt"

    def issue(self, name: str, file: str = "tls") -> tuple[Path, Path]:
        """A certificate for a server on this machine, which is one for a client of this name too: `FILE.crt` and `FILE.key`."""
        key = ec.generate_private_key(ec.SECP256R1())
        uses = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH])
        hosts = x509.SubjectAlternativeName(
            [x509.DNSName("localhost"), x509.DNSName(name), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
        )
        built = _begun(_name(name), self.certificate.subject, key.public_key())
        built = built.add_extension(uses, critical=False).add_extension(hosts, critical=False)
        certificate, private = self.folder / f"{file}.crt", self.folder / f"{file}.key"
        certificate.write_bytes(built.sign(self.key, hashes.SHA256()).public_bytes(_PEM))
        private.write_bytes(_private(key))
        return certificate, private


def _begun(subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePublicKey) -> x509.CertificateBuilder:
    now = dt.datetime.now(dt.UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(minutes=5))
        .not_valid_after(now + LIFE)
    )


def _name(name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])


def _private(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(_PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
