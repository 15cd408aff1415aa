"""Signatures of images as cosign makes and verifies them, offline, with a key of the user. Called by `attachments` and `verification`.

Why cosign's format and not Git's: what has to believe the signature is a cluster's admission controller (Kyverno, Sigstore's policy
controller, Connaisseur, Ratify), and those read cosign's. The key may be Git's all the same: an OpenSSH key of the type ed25519 or
ECDSA P-256 signs as it is, and `Team.members.signingKeys` say whose signature counts. No transparency log is asked, so `cosign verify`
needs `--insecure-ignore-tlog`.

- Image: the "simple signing" payload names the digest; the signature is over its bytes.
- Attestations: DSSE envelopes (https://github.com/secure-systems-lab/dsse) around in-toto statements.
"""

from __future__ import annotations

import base64
import binascii
import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from trueup.build.errors import BuildError
from trueup.build.images import parsed
from trueup_specs.core.fingerprints import canonical

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey, EllipticCurvePublicKey
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

    Private = EllipticCurvePrivateKey | Ed25519PrivateKey
    Public = EllipticCurvePublicKey | Ed25519PublicKey

SIMPLE = "application/vnd.dev.cosign.simplesigning.v1+json"
DSSE = "application/vnd.dsse.envelope.v1+json"
SIGNATURE = "dev.cosignproject.cosign/signature"
_PASSWORDS = ("COSIGN_PASSWORD", "TRUEUP_KEY_PASSWORD")
_HOW = (
    "Make one with `openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out key.pem`, or take an SSH key that "
    "`ssh-keygen -t ed25519` made."
)


def private_key(path: Path) -> Private:
    """The signing key in a file: PEM (PKCS #8) or OpenSSH, ECDSA P-256 or ed25519. Raises BuildError."""
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives import serialization

    try:
        data = path.expanduser().read_bytes()
    except OSError as error:
        raise BuildError(f"The signing key {path} cannot be read: {error.strerror}. {_HOW}") from None
    if b"ENCRYPTED SIGSTORE PRIVATE KEY" in data or b"ENCRYPTED COSIGN PRIVATE KEY" in data:
        raise BuildError(f"The signing key {path} is in cosign's own encrypted form, which is not read here. {_HOW}")
    said = next((os.environ[n] for n in _PASSWORDS if os.environ.get(n)), "")
    load: Any = (
        serialization.load_ssh_private_key if b"OPENSSH PRIVATE KEY" in data else serialization.load_pem_private_key
    )
    try:
        found = load(data, said.encode() or None)
    except TypeError:
        try:
            found = load(data, None)
        except (TypeError, ValueError):
            raise BuildError(f"The signing key {path} has a password: set COSIGN_PASSWORD.") from None
    except UnsupportedAlgorithm as error:
        raise BuildError(
            f"The signing key {path} cannot be read: {error}. OpenSSH keys with a passphrase need `pip install 'cryptography[ssh]'`."
        ) from None
    except ValueError as error:
        raise BuildError(f"The signing key {path} cannot be read: {error}. {_HOW}") from None
    key: Private = _usable(found, str(path))
    return key


def public_key(text: str, name: str) -> Public:
    """The key in a PEM or OpenSSH text. Raises BuildError for what is none."""
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives import serialization

    load: Any = serialization.load_pem_public_key if "BEGIN" in text else serialization.load_ssh_public_key
    try:
        found = load(text.strip().encode())
    except (ValueError, UnsupportedAlgorithm) as error:
        raise BuildError(
            f"The public key {name} cannot be read: {error}. It is PEM, or a line as `ssh-ed25519 AAAA…`."
        ) from None
    key: Public = _usable(found, name)
    return key


def _usable(key: Any, name: str) -> Any:
    from cryptography.hazmat.primitives.asymmetric import ec, ed25519

    good = isinstance(key, ed25519.Ed25519PrivateKey | ed25519.Ed25519PublicKey) or (
        isinstance(key, ec.EllipticCurvePrivateKey | ec.EllipticCurvePublicKey) and isinstance(key.curve, ec.SECP256R1)
    )
    if not good:
        raise BuildError(f"The key {name} is neither ECDSA P-256 nor ed25519, which is what cosign verifies. {_HOW}")
    return key


def sign(key: Private, data: bytes) -> bytes:
    """The signature of bytes."""
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric import ec

    if isinstance(key, ec.EllipticCurvePrivateKey):
        return key.sign(data, ec.ECDSA(hashes.SHA256()))
    return key.sign(data)


@dataclass(frozen=True)
class Trusted:
    """A key whose signatures count, and whose it is."""

    name: str
    key: Public


def signer(keys: Iterable[Trusted], data: bytes, signature: bytes) -> str | None:
    """Whose key made a signature; None where none of these did."""
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric import ec

    for trusted in keys:
        try:
            if isinstance(trusted.key, ec.EllipticCurvePublicKey):
                trusted.key.verify(signature, data, ec.ECDSA(hashes.SHA256()))
            else:
                trusted.key.verify(signature, data)
        except InvalidSignature:
            continue
        return trusted.name
    return None


def payload(name: str, digest: str) -> bytes:
    """What is signed of an image."""
    return canonical(
        {
            "critical": {
                "identity": {"docker-reference": name},
                "image": {"docker-manifest-digest": digest},
                "type": "cosign container image signature",
            },
            "optional": None,
        }
    )


def signed_digest(data: bytes) -> str:
    """The digest of the image that a payload is about; empty for what is no payload."""
    try:
        return str(parsed(data, "the payload")["critical"]["image"]["docker-manifest-digest"])
    except (ValueError, KeyError, TypeError):
        return ""


def envelope(key: Private, kind: str, body: bytes) -> bytes:
    """A statement in a DSSE envelope."""
    signature = base64.b64encode(sign(key, _pae(kind, body))).decode()
    return canonical(
        {
            "payloadType": kind,
            "payload": base64.b64encode(body).decode(),
            "signatures": [{"keyid": "", "sig": signature}],
        }
    )


def opened(data: bytes, keys: Iterable[Trusted]) -> tuple[bytes, str | None]:
    """What is in an envelope, and whose key signed it. Raises ValueError for what is no envelope."""
    found = parsed(data, "the envelope")
    try:
        body = base64.b64decode(found["payload"], validate=True)
        marks = [base64.b64decode(s["sig"], validate=True) for s in found["signatures"]]
        signed = _pae(str(found["payloadType"]), body)
    except (KeyError, TypeError, binascii.Error) as error:
        raise ValueError(f"the envelope lacks or garbles {error}") from None
    known = list(keys)
    return body, next((who for mark in marks if (who := signer(known, signed, mark)) is not None), None)


def _pae(kind: str, body: bytes) -> bytes:
    """DSSE's pre-authentication encoding."""
    return b"DSSEv1 %d %s %d %s" % (len(kind.encode()), kind.encode(), len(body), body)
