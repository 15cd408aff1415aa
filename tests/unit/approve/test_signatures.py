"""Signatures with OpenPGP keys, by a real gpg: whose they are, and which do not count. Those with SSH keys are in the other tests."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from trueup.approve import signatures
from trueup_specs.kinds.team.spec import TeamSpec

pytestmark = pytest.mark.skipif(shutil.which("gpg") is None, reason="there is no gpg")

SEAL = b"the seal of a plan"


@dataclass(frozen=True)
class Keyring:
    """A folder of GnuPG's, in this process's environment."""

    folder: Path

    def gpg(self, *arguments: str, text: str = "") -> str:
        command = ["gpg", "--batch", "--yes", "--quiet", "--pinentry-mode", "loopback", "--passphrase", "", *arguments]
        return subprocess.run(command, input=text, capture_output=True, text=True, check=True).stdout

    def make(self, name: str) -> str:
        """The fingerprint of a new key."""
        self.gpg("--quick-gen-key", f"{name} <{name}@example.com>", "ed25519", "sign", "never")
        listed = self.gpg("--with-colons", "--list-keys", f"{name}@example.com")
        return next(line.split(":")[9] for line in listed.splitlines() if line.startswith("fpr:"))

    def joined(self, *made: str) -> str:
        """Several signatures as one text."""
        packets = b"".join(
            subprocess.run(["gpg", "--dearmor"], input=m.encode(), capture_output=True, check=True).stdout for m in made
        )
        return subprocess.run(["gpg", "--enarmor"], input=packets, capture_output=True, check=True).stdout.decode()

    def revoke(self, key: str) -> None:
        made = (self.folder / "openpgp-revocs.d" / f"{key}.rev").read_text()
        self.gpg("--import", text=made.replace("\n:-----", "\n-----"))


@pytest.fixture
def keyring(monkeypatch: pytest.MonkeyPatch) -> Iterator[Keyring]:
    folder = Path(tempfile.mkdtemp(prefix="gpg-"))  # its sockets' paths must be short
    monkeypatch.setenv("GNUPGHOME", str(folder))
    yield Keyring(folder)
    subprocess.run(["gpgconf", "--kill", "all"], check=False)
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    folder = tmp_path / "repository"
    subprocess.run(["git", "init", "-q", str(folder)], check=True)
    return folder


@pytest.fixture
def signs(repository: Path) -> Callable[[str], None]:
    """Makes someone's key the one that signs there."""

    def set_key(key: str) -> None:
        for name, value in {"gpg.format": "openpgp", "user.signingKey": key, "commit.gpgsign": "true"}.items():
            subprocess.run(["git", "-C", str(repository), "config", name, value], check=True)

    return set_key


def team(**keys: str) -> dict[str, TeamSpec]:
    members = [{"user": user, "email": f"{user}@example.com", "signingKeys": [key]} for user, key in keys.items()]
    return {"credit": TeamSpec.model_validate({"owns": ["credit"], "members": members})}


def commit(repository: Path) -> str:
    who = ["-c", "user.name=A", "-c", "user.email=ada@example.com"]
    subprocess.run(["git", "-C", str(repository), *who, "commit", "-q", "--allow-empty", "-m", "A change"], check=True)
    return subprocess.run(
        ["git", "-C", str(repository), "rev-parse", "HEAD"], capture_output=True, text=True, check=True
    ).stdout.strip()


def user(member: object) -> str | None:
    return getattr(member, "user", None)


def test_a_signature_is_of_the_member_whose_key_made_it(
    keyring: Keyring, repository: Path, signs: Callable[[str], None]
) -> None:
    ada, bea, mallory = (keyring.make(n) for n in ("ada", "bea", "mallory"))
    spaced = " ".join(bea[i : i + 4] for i in range(0, 40, 4))
    teams = team(ada=ada.lower(), bea=spaced)
    for key, expected in ((ada, "ada"), (bea, "bea"), (mallory, None)):
        signs(key)
        form, signature = signatures.sign(repository, SEAL)
        assert form == "gpg"
        assert user(signatures.verified(form, signature, SEAL, teams)) == expected
        assert user(signatures.who(repository, "apply", teams)) == expected
        assert user(signatures.committer(repository, commit(repository), teams)) == expected
        assert signatures.verified(form, signature, SEAL + b"!", teams) is None
        assert signatures.verified("ssh", signature, SEAL, teams) is None


def test_what_a_revoked_key_signed_does_not_count(
    keyring: Keyring, repository: Path, signs: Callable[[str], None]
) -> None:
    ada, bea = keyring.make("ada"), keyring.make("bea")
    teams = team(ada=ada, bea=bea)
    signs(ada)
    form, signature = signatures.sign(repository, SEAL)
    made = commit(repository)
    assert user(signatures.verified(form, signature, SEAL, teams)) == "ada"
    keyring.revoke(ada)
    assert signatures.verified(form, signature, SEAL, teams) is None
    assert signatures.committer(repository, made, teams) is None
    assert not signatures.committed_with(repository, made, [ada])
    with pytest.raises(signatures.SignatureError, match="gpg could not sign"):
        signatures.sign(repository, SEAL)
    # Beside a good one of somebody else, it is still not the revoked key's owner who signed.
    signs(bea)
    _, good = signatures.sign(repository, SEAL)
    both = keyring.joined(signature, good)
    assert user(signatures.verified(form, both, SEAL, teams)) in ("bea", None)


def test_nothing_is_signed_with_a_key_that_is_not_there(
    keyring: Keyring, repository: Path, signs: Callable[[str], None]
) -> None:
    signs("0" * 40)
    with pytest.raises(signatures.SignatureError, match="gpg could not sign with 0000"):
        signatures.sign(repository, SEAL)
    with pytest.raises(signatures.SignatureError, match=r"user\.signingKey is not set"):
        subprocess.run(["git", "-C", str(repository), "config", "--unset", "user.signingKey"], check=True)
        signatures.sign(repository, SEAL)
