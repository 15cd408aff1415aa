"""A secret of each kind of store, used and misused through the whole loop, stands in clear text nowhere that Trueup writes or says."""

from __future__ import annotations

import sqlite3
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.slow

CANARIES = {
    "vars": "canary-9f1c-of-the-variable",
    "disk": "canary-77ab-of-the-file",
    "sealed": "canary-c0de-of-the-map",
}
PASSPHRASE = "canary-51de-of-the-state"
ENVIRONMENT = """
apiVersion: trueup.dev/v1alpha1
kind: Environment
metadata: {{ name: dev }}
spec:
  target: local
  state: {{ passphraseEnv: STATE_PHRASE }}
  secretStores:
    - {{ name: vars, type: env, prefix: APP_ }}
    - {{ name: disk, type: file, path: {folder} }}
    - {{ name: sealed, type: age, path: secrets.age }}
"""
SOURCE = """
apiVersion: trueup.dev/v1alpha1
kind: DataSource
metadata: {{ name: {name} }}
spec:
  sql:
    connection: {{ secretRef: {{ store: {name}, name: DB }} }}
    query: select id, amount from orders
---
apiVersion: trueup.dev/v1alpha1
kind: Dataset
metadata: {{ name: orders-{name} }}
spec:
  source: {name}
  schema:
    properties:
      - {{ name: id, logicalType: integer, required: true }}
      - {{ name: amount, logicalType: number }}
"""


def url(top: Path, canary: str) -> str:
    """A database whose URL holds a canary, as one with a password does."""
    folder = top / canary
    folder.mkdir()
    with sqlite3.connect(folder / "db.sqlite") as database:
        database.execute("create table orders (id integer, amount real)")
        database.executemany("insert into orders values (?, ?)", [(n, n / 2) for n in range(20)])
    database.close()
    return f"sqlite:///{folder}/db.sqlite"


@pytest.fixture(scope="module")
def repository(make_repository: Callable[[str], Any], tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Three tables whose sources' connections are secrets of three stores."""
    import pyrage

    top = tmp_path_factory.mktemp("outside")
    urls = {name: url(top, canary) for name, canary in CANARIES.items()}
    identity = pyrage.x25519.Identity.generate()
    found = make_repository("empty")
    (top / "secrets").mkdir()
    (top / "secrets" / "DB").write_text(urls["disk"] + "\n")
    sealed = pyrage.encrypt(f"DB: {urls['sealed']}\n".encode(), [identity.to_public()])
    (found.folder / "secrets.age").write_bytes(sealed)
    (found.folder / "trueup.yaml").write_text(
        "apiVersion: trueup.dev/v1alpha1\nkind: Workspace\nmetadata: { name: shop }\nspec: {}\n"
    )
    (found.folder / "dev.yaml").write_text(ENVIRONMENT.format(folder=top / "secrets"))
    for name in CANARIES:
        (found.folder / f"{name}.yaml").write_text(SOURCE.format(name=name))
    found.variables = {"APP_DB": urls["vars"], "TRUEUP_AGE_IDENTITY": str(identity), "STATE_PHRASE": PASSPHRASE}
    found.commit("Orders")
    return found


def written(repository: Any) -> Iterator[tuple[str, bytes]]:
    """All that Trueup wrote: its home with Pulumi's state and the logs, its cache, and every object of the repository."""
    for top in (repository.state, repository.folder):
        for path in (p for p in top.rglob("*") if p.is_file() and ".git" not in p.relative_to(top).parts):
            yield str(path), path.read_bytes()
    everything = ["git", "cat-file", "--batch-all-objects", "--batch"]
    yield "Git's objects", subprocess.run(everything, cwd=repository.folder, check=True, capture_output=True).stdout


def test_no_secret_is_said_or_written_in_clear_text(repository: Any) -> None:
    said = []
    out = repository.state / "out"
    out.mkdir()

    def trueup(*arguments: str, code: int | None = 0) -> str:
        done = repository.trueup(*arguments, code=code)
        said.append((" ".join(arguments), done.text))
        return str(done.text)

    trueup("validate")
    trueup("plan", "dev", "--out", str(out / "plan"))
    trueup("ci", "plan", "dev", "--base", "HEAD", "--head", "HEAD", "--out", str(out / "comment.md"))
    trueup("render", "dev", code=None)
    trueup("apply", "dev", "--yes")
    for arguments in (
        "status dev",
        "status dev -o json",
        "drift dev",
        "logs dev",
        "audit log",
        "audit verify",
        "plan dev --live",
    ):
        trueup(*arguments.split(), code=None)
    trueup("audit", "show", repository.git("rev-parse", "trueup/ledger"), code=None)
    rows = trueup("status", "dev", "-o", "json")
    assert all(f"orders-{name}" in rows for name in CANARIES), "all three were resolved and read"

    # A secret that is wrong is named by its store, not by its value.
    repository.variables["APP_DB"] = f"no-url-with-{CANARIES['vars']}"
    wrong = trueup("apply", "dev", "--yes", "--refresh", code=None)
    repository.edit("vars.yaml", "select id, amount from orders", "select id, amount from order_lines")
    repository.commit("Another table")
    failed = trueup("apply", "dev", "--yes", code=None)
    assert "[0]" not in failed.splitlines()[0], (wrong, failed)

    for canary in (*CANARIES.values(), PASSPHRASE):
        assert not [name for name, text in said if canary in text], canary
        assert not [name for name, data in written(repository) if canary.encode() in data], canary
