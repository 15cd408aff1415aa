"""The Pulumi CLI: found, else installed or built, once for each user. Called by the workspace before an apply and by `doctor`.

The order: `TRUEUP_PULUMI`, `pulumi` on PATH, the user's cache, the Automation API's installer, and where that cannot be reached
Go, from the module in the version that the Python SDK is pinned to. Nothing of it needs root or touches the user's PATH.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from trueup import places

VERSION = "3.259.0"
"""The version of the SDK in pyproject.toml; state and protocol are tried with it."""
VARIABLE = "TRUEUP_PULUMI"
MODULE = "github.com/pulumi/pulumi/pkg/v3"
LDFLAGS = f"-s -w -X github.com/pulumi/pulumi/sdk/v3/go/common/version.Version=v{VERSION}"
INSTALL_SECONDS = 300
BUILD_SECONDS = 3600

Progress = Callable[[str], None]

TOOLS = f"""//go:build tools

package tools

import _ "{MODULE}/cmd/pulumi"
"""


class CliError(Exception):
    """There is no Pulumi CLI, and none can be made. The text says what was tried and what to do."""


def find_cli() -> Path | None:
    """The CLI that is there already; installs nothing. Raises CliError where `TRUEUP_PULUMI` names none."""
    named = os.environ.get(VARIABLE)
    if named:
        return _named(Path(named))
    on_path = shutil.which("pulumi")
    if on_path and compatible(version_of(Path(on_path))):
        return Path(on_path)
    cached = cached_cli()
    return cached if cached.exists() else None


def ensure_cli(progress: Progress) -> Path:
    """The CLI; installs or builds it where there is none, which takes up to some minutes and happens once.

    `progress` gets a line for each thing that is begun. Several processes may call this at once: one works, the others wait.
    Raises CliError.
    """
    found = find_cli()
    if found is not None:
        return found
    from filelock import FileLock

    target = cached_cli()
    target.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(target.parent / ".lock"):
        if target.exists():
            return target
        with tempfile.TemporaryDirectory(dir=target.parent) as scratch:
            made = _install(Path(scratch), progress)
            made.replace(target)
    progress(f"The Pulumi CLI {VERSION} is in {target}.")
    return target


def cached_cli() -> Path:
    """Where the user's cache keeps the CLI of our version."""
    return places.cache() / "pulumi" / VERSION / _executable()


def version_of(cli: Path) -> str | None:
    """The version of a CLI, such as `3.259.0`; None where it cannot be run."""
    try:
        done = subprocess.run(
            [str(cli), "version"],
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
            env={**os.environ, "PULUMI_SKIP_UPDATE_CHECK": "true"},
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    found = re.search(r"v?(\d+\.\d+\.\d+)", done.stdout)
    return found.group(1) if found else None


def compatible(version: str | None) -> bool:
    """Whether a CLI speaks what the SDK speaks: the same major version, and not older than the SDK."""
    if version is None:
        return False
    given, ours = ([int(p) for p in v.split(".")] for v in (version, VERSION))
    return given[0] == ours[0] and given >= ours


def _executable() -> str:
    return "pulumi.exe" if sys.platform == "win32" else "pulumi"


def _named(path: Path) -> Path:
    """The CLI that `TRUEUP_PULUMI` names: the file, or the folder that it is in."""
    found = path / _executable() if path.is_dir() else path
    if not found.is_file():
        raise CliError(f"{VARIABLE} is {path}, and there is no Pulumi CLI. Set it to the file of the CLI, or unset it.")
    return found.resolve()


def _install(scratch: Path, progress: Progress) -> Path:
    """A fresh CLI in `scratch`: downloaded, else built. Raises CliError with why neither worked."""
    progress(f"There is no Pulumi CLI {VERSION} here; downloading it with Pulumi's installer …")
    try:
        return _download(scratch)
    except CliError as error:
        reason = str(error)
    progress(f"The installer did not work ({reason}). Building the CLI with Go, which takes some minutes, once …")
    try:
        return _build(scratch, progress)
    except CliError as error:
        raise CliError(
            f"The Pulumi CLI {VERSION} is needed and could not be had. The installer: {reason}. Go: {error} "
            f"Install Pulumi {VERSION} or later (https://www.pulumi.com/docs/install/), or set {VARIABLE} to its file."
        ) from None


def _download(scratch: Path) -> Path:
    """By the Automation API's installer, in a process of its own, since it knows no time-out and prints."""
    root = scratch / "installed"
    code = (
        "import socket, sys, semver; socket.setdefaulttimeout(10); from pulumi.automation import PulumiCommand; "
        "PulumiCommand.install(root=sys.argv[1], version=semver.VersionInfo.parse(sys.argv[2]))"
    )
    try:
        done = subprocess.run(
            [sys.executable, "-c", code, str(root), VERSION],
            capture_output=True,
            text=True,
            timeout=INSTALL_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise CliError(f"it did not end within {INSTALL_SECONDS} s") from None
    made = root / "bin" / _executable()
    if done.returncode != 0 or not made.exists():
        raise CliError(_last_line(done.stderr) or "it left no executable")
    return made


def _build(scratch: Path, progress: Progress) -> Path:
    """By Go, from the pinned module, through whatever module proxy the user's Go is set to."""
    go = shutil.which("go")
    if go is None:
        raise CliError("it is not on PATH (https://go.dev/dl/).")
    (scratch / "go.mod").write_text(f"module trueup.dev/pulumi-cli\n\ngo 1.26\n\nrequire {MODULE} v{VERSION}\n")
    (scratch / "tools.go").write_text(TOOLS)
    made = scratch / _executable()
    progress("Go: resolving the modules …")
    _go(go, scratch, "mod", "tidy")
    progress("Go: compiling pulumi …")
    _go(go, scratch, "build", "-trimpath", f"-ldflags={LDFLAGS}", "-o", str(made), f"{MODULE}/cmd/pulumi")
    built = version_of(made)
    if built != VERSION:
        raise CliError(f"the CLI that it built calls itself {built}.")
    return made


def _go(go: str, folder: Path, *arguments: str) -> None:
    """Runs Go in the scratch module. The module cache is read-only and shared, so nothing of it lands in `folder`."""
    try:
        done = subprocess.run(
            [go, *arguments],
            cwd=folder,
            capture_output=True,
            text=True,
            timeout=BUILD_SECONDS,
            check=False,
            env={**os.environ, "GOFLAGS": "-mod=mod", "GOWORK": "off", "CGO_ENABLED": "0"},
        )
    except subprocess.TimeoutExpired:
        raise CliError(f"`go {arguments[0]}` did not end within {BUILD_SECONDS} s.") from None
    if done.returncode != 0:
        raise CliError(f"`go {' '.join(arguments[:2])}` failed: {_last_line(done.stderr)}.")


def _last_line(text: str) -> str:
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1][:400] if lines else ""
