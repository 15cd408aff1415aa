"""Signatures: `openssl` and `ssh-keygen` make the keys, and `openssl` is the judge."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from trueup.build import signing
from trueup.build.errors import BuildError
from trueup.build.signing import Trusted


def run(*command: str) -> str:
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


@pytest.fixture
def pem(tmp_path: Path) -> Path:
    path = tmp_path / "key.pem"
    run("openssl", "genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256", "-out", str(path))
    run("openssl", "pkey", "-in", str(path), "-pubout", "-out", str(tmp_path / "key.pub"))
    return path


def ssh(path: Path, *options: str, password: str = "") -> Path:
    run("ssh-keygen", "-q", *options, "-N", password, "-f", str(path))
    return path


def trusted(path: Path) -> Trusted:
    return Trusted("me", signing.public_key(path.read_text(), str(path)))


def test_openssl_verifies_what_was_signed(pem: Path, tmp_path: Path) -> None:
    data = signing.payload("ghcr.io/acme/risk", f"sha256:{'a' * 64}")
    (tmp_path / "data").write_bytes(data)
    (tmp_path / "sig").write_bytes(signing.sign(signing.private_key(pem), data))
    public, mark = str(tmp_path / "key.pub"), str(tmp_path / "sig")
    command = ("openssl", "dgst", "-sha256", "-verify", public, "-signature", mark, str(tmp_path / "data"))
    assert "Verified OK" in run(*command)


def test_the_payload_is_cosigns() -> None:
    data = signing.payload("ghcr.io/acme/risk", f"sha256:{'a' * 64}")
    assert json.loads(data) == {
        "critical": {
            "identity": {"docker-reference": "ghcr.io/acme/risk"},
            "image": {"docker-manifest-digest": f"sha256:{'a' * 64}"},
            "type": "cosign container image signature",
        },
        "optional": None,
    }
    assert signing.signed_digest(data) == f"sha256:{'a' * 64}"
    assert signing.signed_digest(b"{}") == signing.signed_digest(b"x") == ""


@pytest.mark.parametrize("options", [("-t", "ed25519"), ("-t", "ecdsa", "-b", "256")])
def test_a_key_of_git_signs(options: tuple[str, ...], tmp_path: Path) -> None:
    key = signing.private_key(ssh(tmp_path / "id", *options))
    other = trusted(ssh(tmp_path / "other", *options).with_suffix(".pub"))
    mark = signing.sign(key, b"data")
    assert signing.signer([other, trusted(tmp_path / "id.pub")], b"data", mark) == "me"
    assert signing.signer([trusted(tmp_path / "id.pub")], b"date", mark) is None
    assert signing.signer([other], b"data", mark) is None


def test_envelopes(pem: Path, tmp_path: Path) -> None:
    key, known = signing.private_key(pem), trusted(tmp_path / "key.pub")
    made = signing.envelope(key, "application/vnd.in-toto+json", b'{"a":1}')
    assert signing.opened(made, [known]) == (b'{"a":1}', "me")
    for field, value in (("payloadType", "text/plain"), ("payload", "eyJhIjoyfQ==")):
        assert signing.opened(json.dumps({**json.loads(made), field: value}).encode(), [known])[1] is None
    with pytest.raises(ValueError, match="envelope"):
        signing.opened(b'{"payload": "!"}', [known])


def test_a_password_comes_from_the_variable_that_cosign_reads(
    pem: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("COSIGN_PASSWORD", raising=False)
    path = tmp_path / "locked.pem"
    run("openssl", "pkcs8", "-topk8", "-in", str(pem), "-out", str(path), "-passout", "pass:secret-word")
    with pytest.raises(BuildError, match=r"has a password: set COSIGN_PASSWORD"):
        signing.private_key(path)
    monkeypatch.setenv("COSIGN_PASSWORD", "secret-word")
    mark = signing.sign(signing.private_key(path), b"x")
    assert signing.signer([trusted(tmp_path / "key.pub")], b"x", mark) == "me"
    assert signing.private_key(pem)
    monkeypatch.setenv("COSIGN_PASSWORD", "wrong")
    with pytest.raises(BuildError, match=r"cannot be read"):
        signing.private_key(path)


def test_an_ssh_key_with_a_passphrase(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("COSIGN_PASSWORD", raising=False)
    path = ssh(tmp_path / "id", "-t", "ed25519", password="secret-word")
    with pytest.raises(BuildError, match=r"set COSIGN_PASSWORD"):
        signing.private_key(path)
    monkeypatch.setenv("COSIGN_PASSWORD", "secret-word")
    mark = signing.sign(signing.private_key(path), b"x")
    assert signing.signer([trusted(tmp_path / "id.pub")], b"x", mark) == "me"


def test_keys_that_cosign_would_not_verify_are_refused(tmp_path: Path) -> None:
    rsa = ssh(tmp_path / "rsa", "-t", "rsa", "-b", "2048")
    with pytest.raises(BuildError, match=r"neither ECDSA P-256 nor ed25519"):
        signing.private_key(rsa)
    with pytest.raises(BuildError, match=r"No such file"):
        signing.private_key(tmp_path / "none")
    (tmp_path / "text").write_text("hello")
    with pytest.raises(BuildError, match=r"cannot be read"):
        signing.private_key(tmp_path / "text")
    with pytest.raises(BuildError, match=r"public key text cannot be read"):
        signing.public_key("hello", "text")
