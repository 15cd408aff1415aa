"""Where Pulumi keeps a workspace's state and how its secrets are encrypted there. Called by the workspace for each environment.

`resolve` decides and, for the default passphrase, makes the key file. The passphrase goes into the Pulumi CLI's environment only,
never into ours, into a file of the checkout or into a message.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import parse_qsl, unquote, urlencode, urlsplit, urlunsplit

from trueup_specs.kinds.environment.spec import State

KEY_FILE = "passphrase.key"


class BackendError(Exception):
    """The state cannot be kept as the environment says. The text says which environment's field to change."""


@dataclass(frozen=True, slots=True)
class Backend:
    """A Pulumi backend. `folder` is set where the state is files that this machine sees."""

    url: str
    folder: Path | None = None
    secrets_provider: str = "passphrase"
    environment: Mapping[str, str] = field(default_factory=dict, repr=False)
    """What only the CLI's environment may hold: the passphrase."""

    @property
    def exists(self) -> bool:
        """Whether a file backend has any state yet; others are asked by Pulumi."""
        return self.folder is None or (self.folder / ".pulumi" / "stacks").exists()


def resolve(state: State, home: Path, environ: Mapping[str, str] | None = None) -> Backend:
    """The backend of an environment's `state`. `home` is the workspace's home; `environ` is by default the process's.

    Raises BackendError in CI for file state without an explicit path, since it would be lost with the machine; for a passphrase
    variable that is empty; and for shared state whose passphrase only this machine would have.
    """
    environ = os.environ if environ is None else environ
    if state.backend is None and environ.get("CI", "").lower() in ("1", "true"):
        raise BackendError(
            "This runs in CI, and the environment has no `state.backend`: the state would be a folder of this machine and be lost with it. "
            "Set `spec.state.backend` to a URL such as s3://bucket, or to file:///path of a folder that is kept."
        )
    url, folder = _location(state.backend, home)
    return Backend(url, folder, state.secrets_provider, _passphrase(state, folder, environ))


def _location(backend: str | None, home: Path) -> tuple[str, Path | None]:
    """The URL as Pulumi takes it, and the folder of a file backend."""
    if backend is None:
        backend = (home / "state").as_uri()
    parts = urlsplit(backend)
    if parts.scheme != "file":
        return backend, None
    folder = Path(unquote(parts.netloc + parts.path)).expanduser()
    if not folder.is_absolute():
        raise BackendError(f"The state backend {backend!r} is not an absolute path. Write it as file:///path.")
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    # Pulumi writes the metadata beside a checkpoint not atomically: a kill can leave it empty and the stack unreadable.
    query = urlencode({**dict(parse_qsl(parts.query)), "metadata": "skip"})
    return urlunsplit(("file", "", folder.as_posix(), query, "")), folder


def _passphrase(state: State, folder: Path | None, environ: Mapping[str, str]) -> dict[str, str]:
    """The variables that hold the passphrase; none for other secrets providers."""
    if state.secrets_provider != "passphrase":
        return {}
    if state.passphrase_env is not None:
        if not environ.get(state.passphrase_env):
            raise BackendError(
                f"The variable {state.passphrase_env}, which `spec.state.passphraseEnv` names, is not set. "
                "Set it to the passphrase that the state was encrypted with."
            )
        return {"PULUMI_CONFIG_PASSPHRASE": environ[state.passphrase_env]}
    if folder is None:
        raise BackendError(
            "The state is shared, and its secrets are encrypted with a passphrase that is not given. "
            "Set `spec.state.passphraseEnv` to a variable that holds it, or `spec.state.secretsProvider` to a key of your cloud."
        )
    return {"PULUMI_CONFIG_PASSPHRASE": key_file(folder / KEY_FILE)}


def key_file(path: Path) -> str:
    """The key in a file that only the user may read; made with 256 random bits where there is none yet."""
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        new = path.with_name(f"{path.name}.{secrets.token_hex(8)}")
        with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as stream:
            stream.write(secrets.token_urlsafe(32) + "\n")
            stream.flush()
            os.fsync(stream.fileno())
        try:
            os.link(new, path)  # fails where another process was first: its key counts
        except FileExistsError:
            pass
        finally:
            new.unlink()
    key = path.read_text().strip()
    if not key:
        raise BackendError(
            f"The key file {path} is empty. Restore it from a backup: the state's secrets are encrypted with it."
        )
    return key
