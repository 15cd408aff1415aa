"""Secrets are resolved from the environment's stores, and are in nothing that is said."""

from __future__ import annotations

import json
from pathlib import Path

import pyrage
import pytest
from hypothesis import given
from hypothesis import strategies as st

from trueup.apply.secrets import MASK, SecretError, digest, mask, resolver
from trueup_specs.kinds.environment.spec import SecretStore
from trueup_stacks.core.resources import Secret

VALUE = "correct horse battery"


def encrypted(folder: Path, content: str, armored: bool = True) -> str:
    identity = pyrage.x25519.Identity.generate()
    (folder / "secrets.age").write_bytes(pyrage.encrypt(content.encode(), [identity.to_public()], armored=armored))
    return str(identity)


def test_a_variable_with_the_prefix_of_its_store_is_the_secret(tmp_path: Path) -> None:
    find = resolver([SecretStore(name="ci", type="env", prefix="CI_")], tmp_path, {"CI_token": VALUE})
    assert find(Secret("ci", "token")) == VALUE


def test_a_key_names_a_part_of_a_variable_that_holds_json(tmp_path: Path) -> None:
    find = resolver([SecretStore(name="ci", type="env")], tmp_path, {"db": json.dumps({"user": "ann", "port": 5432})})
    assert find(Secret("ci", "db", "user")) == "ann"
    assert find(Secret("ci", "db", "port")) == "5432"


def test_a_file_of_the_folder_is_the_secret_without_its_last_line_break(tmp_path: Path) -> None:
    (tmp_path / "vault").mkdir()
    (tmp_path / "vault" / "token").write_text(VALUE + "\n")
    find = resolver([SecretStore(name="disk", type="file", path=str(tmp_path / "vault"))], tmp_path)
    assert find(Secret("disk", "token")) == VALUE


def test_a_file_outside_of_the_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "vault").mkdir()
    (tmp_path / "other").write_text(VALUE)
    (tmp_path / "vault" / "link").symlink_to(tmp_path / "other")
    find = resolver([SecretStore(name="disk", type="file", path="vault")], tmp_path)
    for name in ("../other", "link"):
        with pytest.raises(SecretError, match="outside of its store's folder"):
            find(Secret("disk", name))


@pytest.mark.parametrize("armored", [True, False])
def test_an_encrypted_map_in_the_workspace_gives_its_values_to_the_identity(tmp_path: Path, armored: bool) -> None:
    identity = encrypted(tmp_path, f"token: {VALUE}\ndb: {{user: ann, password: on}}\n", armored)
    (tmp_path / "key.txt").write_text(f"# created: today\n{identity}\n")
    store = SecretStore(name="git", type="age", path="secrets.age")
    found = []
    for given_as in (identity, str(tmp_path / "key.txt")):
        find = resolver([store], tmp_path, {"TRUEUP_AGE_IDENTITY": given_as})
        found.append((find(Secret("git", "token")), find(Secret("git", "db", "password"))))
    assert found == [(VALUE, "on")] * 2
    assert VALUE.encode() not in (tmp_path / "secrets.age").read_bytes()


def test_another_identity_cannot_read_the_encrypted_map(tmp_path: Path) -> None:
    encrypted(tmp_path, f"token: {VALUE}")
    other = str(pyrage.x25519.Identity.generate())
    find = resolver([SecretStore(name="git", type="age", path="secrets.age")], tmp_path, {"TRUEUP_AGE_IDENTITY": other})
    with pytest.raises(SecretError, match="cannot be decrypted with the identity in TRUEUP_AGE_IDENTITY") as caught:
        find(Secret("git", "token"))
    assert other not in str(caught.value)


def _broken(folder: Path) -> list[tuple[str, SecretStore, Secret, dict[str, str]]]:
    identity = encrypted(folder, f"token: {VALUE}\nlist: [{VALUE}]\n")
    bad = pyrage.encrypt(f"{VALUE}: [".encode(), [pyrage.x25519.Identity.from_str(identity).to_public()])
    (folder / "bad.age").write_bytes(bad)
    (folder / "empty").write_text("\n")
    (folder / "binary").write_bytes(b"\xff\xfe")
    age = {"TRUEUP_AGE_IDENTITY": identity}
    env, disk = SecretStore(name="s", type="env"), SecretStore(name="s", type="file", path=".")
    git = SecretStore(name="s", type="age", path="secrets.age")
    return [
        ("does not have (it has s)", env, Secret("t", "token"), {}),
        ("the variable token is not set", env, Secret("s", "token"), {}),
        ("is empty", disk, Secret("s", "empty"), {}),
        ("No such file", disk, Secret("s", "missing"), {}),
        ("not UTF-8", disk, Secret("s", "binary"), {}),
        ("is no map", env, Secret("s", "token", "part"), {"token": VALUE}),
        ("no such key", env, Secret("s", "token", "part"), {"token": json.dumps({"other": VALUE})}),
        ("is not in the encrypted file", git, Secret("s", "missing"), age),
        ("has several parts", git, Secret("s", "list"), age),
        ("decrypts to no YAML map", SecretStore(name="s", type="age", path="bad.age"), Secret("s", "token"), age),
        ("outside of the workspace", SecretStore(name="s", type="age", path="../x"), Secret("s", "token"), age),
        ("cannot be read", SecretStore(name="s", type="age", path="no.age"), Secret("s", "token"), age),
        ("TRUEUP_AGE_IDENTITY is not set", git, Secret("s", "token"), {}),
        ("neither an age identity", git, Secret("s", "token"), {"TRUEUP_AGE_IDENTITY": "no/such/file"}),
        ("is no age identity", git, Secret("s", "token"), {"TRUEUP_AGE_IDENTITY": "AGE-SECRET-KEY-1NO"}),
        ("has no `path`", SecretStore(name="s", type="file"), Secret("s", "token"), {}),
    ]


def test_each_error_says_what_and_where_and_never_a_value(tmp_path: Path) -> None:
    for words, store, reference, environ in _broken(tmp_path):
        with pytest.raises(SecretError) as caught:
            resolver([store], tmp_path, environ)(reference)
        text = str(caught.value)
        assert words in text and text.endswith("."), text
        assert VALUE not in text and not any(v in text for v in environ.values() if v.startswith("AGE-SECRET-KEY"))
        assert caught.value.__suppress_context__ or caught.value.__context__ is None


@given(st.text(min_size=3), st.text(), st.text())
def test_what_is_masked_holds_no_secret(value: str, before: str, after: str) -> None:
    said = mask(f"{before}{value}{after}", [value])
    assert MASK in said and not any(value in piece for piece in said.split(MASK))


def test_a_secret_of_several_lines_is_masked_line_by_line_and_inside_json() -> None:
    key = "-----BEGIN KEY-----\nMIIEvQIBADANBgkq\n-----END KEY-----\n"
    for text in (key, json.dumps({"key": key}), "bad line: MIIEvQIBADANBgkq", key.strip()):
        assert "MIIEvQIBADANBgkq" not in mask(text, [key])


def test_rotation_changes_the_digest_and_another_key_gives_another_digest() -> None:
    assert digest(VALUE, b"k") == digest(VALUE, b"k")
    assert len({digest(VALUE, b"k"), digest(VALUE + "2", b"k"), digest(VALUE, b"l")}) == 3
    assert VALUE not in digest(VALUE, b"k")
    with pytest.raises(ValueError, match="key"):
        digest(VALUE, b"")
