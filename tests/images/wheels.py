"""Wheels and lock files of the tests: made here, or taken from what this repository itself is locked to."""

from __future__ import annotations

import base64
import hashlib
import re
import subprocess
import sys
import zipfile
from collections.abc import Mapping
from importlib import metadata
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def wheel(
    folder: Path, name: str, version: str, files: Mapping[str, str], script: str = "", tag: str = "py3-none-any"
) -> Path:
    """Writes a wheel, perhaps with a console script."""
    folder.mkdir(exist_ok=True)
    info = f"{name}-{version}.dist-info"
    content = {
        **files,
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\nLicense: MIT\n",
        f"{info}/WHEEL": f"Wheel-Version: 1.0\nGenerator: tests\nRoot-Is-Purelib: true\nTag: {tag}\n",
    }
    if script:
        content[f"{info}/entry_points.txt"] = f"[console_scripts]\n{name} = {script}\n"
    rows = [
        f"{n},sha256={base64.urlsafe_b64encode(hashlib.sha256(t.encode()).digest()).rstrip(b'=').decode()},{len(t)}"
        for n, t in content.items()
    ]
    content[f"{info}/RECORD"] = "\n".join([*rows, f"{info}/RECORD,,"]) + "\n"
    path = folder / f"{name}-{version}-{tag}.whl"
    with zipfile.ZipFile(path, "w") as archive:
        for file, text in content.items():
            archive.writestr(zipfile.ZipInfo(file), text)
    return path


def requirements(*wheels: Path) -> str:
    """A requirements file with the hashes of wheels."""
    lines = [
        f"{w.name.split('-')[0]}=={w.name.split('-')[1]} --hash=sha256:{hashlib.sha256(w.read_bytes()).hexdigest()}"
        for w in wheels
    ]
    return "\n".join(lines) + "\n"


def closure(*names: str) -> str:
    """The part of this repository's own lock that some packages and all that they need are, with hashes."""
    from packaging.requirements import Requirement

    wanted: set[str] = set()
    queue = list(names)
    while queue:
        if (name := _normal(queue.pop())) not in wanted:
            wanted.add(name)
            needed = map(Requirement, metadata.requires(name) or ())
            queue += [r.name for r in needed if r.marker is None or r.marker.evaluate({"extra": ""})]
    options = ("--frozen", "--all-extras", "--no-dev", "--no-emit-project", "--no-header", "--no-annotate", "--quiet")
    command = [str(Path(sys.executable).with_name("uv")), "export", *options, "--format", "requirements.txt"]
    text = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout
    blocks = re.split(r"\n(?=\S)", text)
    return "\n".join(b for b in blocks if (m := re.match(r"[A-Za-z0-9._-]+", b)) and _normal(m[0]) in wanted)


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()
