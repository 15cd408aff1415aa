"""Secrets by reference: resolved at apply from an environment's stores, masked in what is said, compared by keyed digests.

Called by the workspace (`resolver`) and by `apply/pulumi.py` (`mask`). A value is never in a message, a log or a file of ours; it
is handed to Pulumi, which encrypts it in the state.
"""

from __future__ import annotations

import hmac
import json
import os
from collections.abc import Callable, Iterable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

from trueup_specs.kinds.environment.spec import SecretStore
from trueup_stacks.core.resources import Secret

MASK = "[secret]"
SHORTEST = 3
"""Shorter values are not masked: they stand in every text by accident."""
LARGEST = 1024 * 1024
"""Bytes of a secret's file: more is no secret, but a mistake in a path."""

Lookup = Callable[[Secret], str]


class SecretError(Exception):
    """A secret cannot be resolved. The text names the store, the name and the key, and never a value."""


def resolver(stores: Iterable[SecretStore], folder: Path, environ: Mapping[str, str] | None = None) -> Lookup:
    """What resolves references from the stores of an environment. `folder` is the workspace's; `environ` by default the process's.

    Nothing is read before the first reference needs it; each encrypted file is read once. The callable is safe for several
    threads and raises SecretError.
    """
    variables = os.environ if environ is None else environ
    by_name = {s.name: _open(s, folder, variables) for s in stores}

    def resolve(reference: Secret) -> str:
        if reference.store not in by_name:
            known = ", ".join(sorted(by_name)) or "none"
            raise SecretError(
                f"The secret {describe(reference)} is of a store that the environment does not have (it has {known}). "
                "Add it to `spec.secretStores` of the environment."
            )
        value = by_name[reference.store](reference)
        if not value:
            raise SecretError(f"The secret {describe(reference)} is empty. Give it a value in its store.")
        return value

    return resolve


def mask(text: str, values: Iterable[str]) -> str:
    """The text without the values: as they are, as JSON writes them, and line by line where they have several lines."""
    forms: set[str] = set()
    for value in values:
        forms |= {value, value.strip(), json.dumps(value)[1:-1], json.dumps(value, ensure_ascii=False)[1:-1]}
        forms |= {line for line in value.splitlines() if len(line.strip()) >= 8}
    for form in sorted((f for f in forms if len(f) >= SHORTEST), key=len, reverse=True):
        text = text.replace(form, MASK)
    return text


def digest(value: str, key: bytes) -> str:
    """A keyed digest, by which rotation is seen without the value: HMAC-SHA-256 as hexadecimal digits.

    `key` must be secret and stay the same; without it the digest of a short value could be guessed.
    """
    if not key:
        raise ValueError("A digest of a secret needs a key.")
    return hmac.new(key, value.encode(), "sha256").hexdigest()


def describe(reference: Secret) -> str:
    """A reference in words: `db/password, key "user"`."""
    return f"{reference.store}/{reference.name}" + (f", key {reference.key!r}" if reference.key else "")


def _open(store: SecretStore, folder: Path, environ: Mapping[str, str]) -> Lookup:
    if store.type == "env":
        return lambda reference: _from_environment(store, reference, environ)
    if store.type == "file":
        return lambda reference: _from_file(store, reference, folder)
    if store.type == "external":
        return lambda reference: _elsewhere(store, reference)
    decrypted = cache(lambda: _decrypt(store, folder, environ))
    return lambda reference: _from_map(reference, decrypted(), f"the encrypted file {store.path}")


def _elsewhere(store: SecretStore, reference: Secret) -> str:
    raise SecretError(
        f"The secret {describe(reference)} is read by the cluster only, since the store {store.name} is of type `external`, and here its "
        "value is needed. Name a store of another type."
    )


def _from_environment(store: SecretStore, reference: Secret, environ: Mapping[str, str]) -> str:
    variable = store.prefix + reference.name
    if variable not in environ:
        raise SecretError(
            f"The secret {describe(reference)} cannot be resolved: the variable {variable} is not set. "
            "Export it where `trueup apply` runs, or set `prefix` of the store."
        )
    return _part(reference, environ[variable], f"the variable {variable}")


def _from_file(store: SecretStore, reference: Secret, folder: Path) -> str:
    if store.path is None:
        raise SecretError(f"The secret store {store.name} has no `path`. Set it to the folder that holds its files.")
    root = (folder / Path(store.path).expanduser()).resolve()
    path = (root / reference.name).resolve()
    if not path.is_relative_to(root) or path == root:
        raise SecretError(f"The secret {describe(reference)} is outside of its store's folder {store.path}.")
    try:
        if path.stat().st_size > LARGEST:
            raise SecretError(f"The secret {describe(reference)} is larger than {LARGEST} bytes, which is no secret.")
        content = path.read_text(encoding="utf-8")
    except OSError as error:
        raise SecretError(
            f"The secret {describe(reference)} cannot be read from {path}: {error.strerror}. "
            "Write it to that file, or set `path` of the store."
        ) from None
    except UnicodeDecodeError:
        raise SecretError(f"The secret {describe(reference)} in {path} is not UTF-8 text.") from None
    # Editors and `echo` end a file with a line break, which is no part of the secret.
    return _part(reference, content.removesuffix("\n").removesuffix("\r"), f"the file {path}")


def _decrypt(store: SecretStore, folder: Path, environ: Mapping[str, str]) -> dict[str, Any]:
    """The map in an age file, which is in the workspace, binary or armored."""
    import pyrage
    from ruamel.yaml import YAML
    from ruamel.yaml.error import YAMLError

    if store.path is None:
        raise SecretError(
            f"The secret store {store.name} has no `path`. Set it to its encrypted file in the workspace."
        )
    path = (folder / store.path).resolve()
    if not path.is_relative_to(folder.resolve()):
        raise SecretError(
            f"The encrypted file {store.path} of the secret store {store.name} is outside of the workspace."
        )
    try:
        plain = pyrage.decrypt(path.read_bytes(), _identities(store, environ))
    except OSError as error:
        raise SecretError(
            f"The encrypted file {path} of store {store.name} cannot be read: {error.strerror}."
        ) from None
    except pyrage.DecryptError:
        raise SecretError(
            f"The file {store.path} of the secret store {store.name} cannot be decrypted with the identity in {store.identity_env}. "
            "Encrypt it for that identity too, or set the variable to an identity that it is encrypted for."
        ) from None
    try:
        document = YAML(typ="safe", pure=True).load(plain.decode("utf-8"))
    except (YAMLError, UnicodeDecodeError):  # its text would show the values
        document = None
    if not isinstance(document, dict):
        raise SecretError(
            f"The file {store.path} of the secret store {store.name} decrypts to no YAML map of names to values."
        )
    return {str(k): v for k, v in document.items()}


def _identities(store: SecretStore, environ: Mapping[str, str]) -> list[Any]:
    """The identities in the variable: `AGE-SECRET-KEY-…` lines, or an OpenSSH private key; or the path of a file with them."""
    import pyrage

    given = environ.get(store.identity_env, "")
    if not given:
        raise SecretError(
            f"The secret store {store.name} is encrypted, and {store.identity_env} is not set. "
            "Set it to the age identity (AGE-SECRET-KEY-1…) or to the path of its file."
        )
    if "AGE-SECRET-KEY-" not in given and "PRIVATE KEY" not in given:
        try:
            given = Path(given).expanduser().read_text()
        except (OSError, UnicodeDecodeError):
            raise SecretError(
                f"{store.identity_env}, which the secret store {store.name} names, is neither an age identity nor the path of a file "
                "that can be read."
            ) from None
    try:
        if "PRIVATE KEY" in given:
            return [pyrage.ssh.Identity.from_buffer(given.encode())]
        lines = (line.strip() for line in given.splitlines())
        found = [pyrage.x25519.Identity.from_str(line) for line in lines if line and not line.startswith("#")]
    except pyrage.IdentityError:
        found = []
    if not found:
        raise SecretError(
            f"What {store.identity_env} holds for the secret store {store.name} is no age identity."
        ) from None
    return found


def _from_map(reference: Secret, document: Mapping[str, Any], place: str) -> str:
    if reference.name not in document:
        raise SecretError(f"The secret {describe(reference)} is not in {place}. Add the name there.")
    return _part(reference, document[reference.name], place)


def _part(reference: Secret, value: Any, place: str) -> str:
    """The value, or the part of it that the key names: a string holds JSON or is YAML's map already."""
    if reference.key is None:
        if isinstance(value, (dict, list)):
            raise SecretError(f"The secret {describe(reference)} in {place} has several parts. Name one with `key`.")
        return _text(value)
    if isinstance(value, str):
        try:
            value = json.loads(value)
        except ValueError:
            value = None
    if not isinstance(value, dict):
        raise SecretError(
            f"The secret {describe(reference)} in {place} is no map (JSON), so it has no keys. Leave `key` out."
        )
    if reference.key not in value:
        raise SecretError(f"The secret {describe(reference)}: {place} has no such key.")
    return _text(value[reference.key])


def _text(value: Any) -> str:
    if isinstance(value, str):
        return value
    return "" if value is None else json.dumps(value)
