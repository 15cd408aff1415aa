"""Ray from its wheel, in an environment of its own: what the image of a pipeline has, for containers whose image is this machine."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from filelock import FileLock

from trueup import places


def programs(version: str) -> dict[str, Path]:
    """`ray` and its `python`, as files that start them; installed where they are not there."""
    folder = places.cache() / "tools" / f"ray-{version}"
    folder.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(f"{folder}.lock"):
        if not (folder / "ready").exists():
            subprocess.run([sys.executable, "-m", "venv", "--clear", str(folder)], check=True)
            pip = [str(folder / "bin" / "pip"), "install", "--quiet", "--disable-pip-version-check"]
            subprocess.run([*pip, f"ray[default]=={version}"], check=True)
            for name in ("ray", "python"):
                starter = folder / f"start-{name}"
                starter.write_text(f'#!/bin/sh\nexec {folder}/bin/{name} "$@"\n')
                starter.chmod(0o755)
            (folder / "ready").touch()
    return {name: folder / f"start-{name}" for name in ("ray", "python")}
