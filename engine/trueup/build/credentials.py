"""Who a registry is told that we are: what `docker login` (or Podman's, Buildah's, crane's) kept, or two variables in CI.

Looked for in this order: `TRUEUP_REGISTRY_TOKEN` with `TRUEUP_REGISTRY_USER`, for the registry that is pushed to or verified from; then
`config.json` of Docker (`DOCKER_CONFIG`, else `~/.docker`) with its credential helpers; then Podman's `REGISTRY_AUTH_FILE`. Called by
`registry`.
"""

from __future__ import annotations

import base64
import binascii
import json
import os
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from trueup.build.errors import BuildError

_HUB_KEYS = ("https://index.docker.io/v1/", "index.docker.io", "docker.io")


@dataclass(frozen=True, slots=True)
class Credentials:
    """A user with a password, or an identity token that is exchanged for access."""

    user: str = ""
    password: str = ""
    identity_token: str = ""

    def __repr__(self) -> str:
        return f"Credentials({self.user!r})"

    @property
    def basic(self) -> str:
        """The value of a Basic `Authorization` header."""
        return "Basic " + base64.b64encode(f"{self.user}:{self.password}".encode()).decode()


def given() -> Credentials | None:
    """Those of the environment's variables."""
    token = os.environ.get("TRUEUP_REGISTRY_TOKEN")
    return Credentials(os.environ.get("TRUEUP_REGISTRY_USER") or "token", token) if token else None


def kept(host: str) -> Credentials | None:
    """Those that a login kept for a registry. Raises BuildError where a file or a helper of it cannot be used."""
    keys = _HUB_KEYS if host == "registry-1.docker.io" else (host, f"https://{host}")
    for path in _files():
        if path.is_file():
            config = _read(path)
            for key in keys:
                if (found := _of(config, key, path)) is not None:
                    return found
    return None


def _files() -> Iterator[Path]:
    yield Path(os.environ.get("DOCKER_CONFIG") or Path.home() / ".docker") / "config.json"
    if named := os.environ.get("REGISTRY_AUTH_FILE"):
        yield Path(named)
    if runtime := os.environ.get("XDG_RUNTIME_DIR"):
        yield Path(runtime) / "containers" / "auth.json"


def _read(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise BuildError(f"The registries' credentials in {path} cannot be read: {error}. Log in again.") from None
    return found if isinstance(found, dict) else {}


def _of(config: dict[str, Any], key: str, path: Path) -> Credentials | None:
    helper = (config.get("credHelpers") or {}).get(key)
    entry = (config.get("auths") or {}).get(key)
    if helper is None and entry is not None and not (entry.get("auth") or entry.get("identitytoken")):
        helper = config.get("credsStore")
    if helper:
        return _helped(str(helper), key)
    if not isinstance(entry, dict):
        return None
    try:
        user, _, password = base64.b64decode(entry.get("auth") or "", validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        raise BuildError(f"The credentials of {key} in {path} cannot be read. Log in to it again.") from None
    token = str(entry.get("identitytoken") or "")
    return Credentials(user, password.rstrip("\0"), token) if user or token else None


def _helped(helper: str, key: str) -> Credentials | None:
    """What Docker's credential helper of that name knows."""
    program = f"docker-credential-{helper}"
    try:
        done = subprocess.run([program, "get"], input=key, capture_output=True, text=True, check=False, timeout=60)
    except FileNotFoundError:
        raise BuildError(
            f"Docker's configuration names the credential helper {program} for {key}, and it is not on PATH: install it, or set "
            "TRUEUP_REGISTRY_USER and TRUEUP_REGISTRY_TOKEN."
        ) from None
    except subprocess.TimeoutExpired:
        raise BuildError(f"The credential helper {program} did not answer within a minute.") from None
    if done.returncode != 0:
        return None
    found = json.loads(done.stdout)
    user, secret = str(found.get("Username") or ""), str(found.get("Secret") or "")
    return Credentials(identity_token=secret) if user == "<token>" else Credentials(user, secret)
