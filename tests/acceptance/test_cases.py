"""Black-box cases: a folder with a script, the files that it starts from, and what it prints. The scripts run the installed `trueup`.

`TRUEUP_UPDATE_GOLDEN=1` writes `expected.txt` anew; read the difference before you commit it.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent / "cases"
ROOT = Path(__file__).resolve().parents[2]
CASES = sorted(p.parent for p in HERE.glob("*/script"))
REPLACED = (
    (re.compile(r"\b[0-9a-f]{40}\b"), "COMMIT"),
    (re.compile(r"\b(?=[0-9a-f]*\d)[0-9a-f]{10}\b"), "COMMIT"),
    (re.compile(r"\(\d+\.\d+ s\)"), "(TIME)"),
    (re.compile(r"\b\d+\.\d+\.\d+[a-z0-9.]*(?= \(/)"), "VERSION"),
)


@pytest.mark.parametrize("case", CASES, ids=lambda c: c.name)
def test_it_prints_what_is_expected(case: Path, tmp_path: Path) -> None:
    folder = tmp_path / "work"
    shutil.copytree(case, folder, ignore=shutil.ignore_patterns("script", "expected.txt"))
    done = subprocess.run(
        ["bash", str(case / "script")],
        cwd=folder,
        env=variables(tmp_path),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=120,
        check=False,
    )
    printed = normal(done.stdout, tmp_path)
    expected = case / "expected.txt"
    if os.environ.get("TRUEUP_UPDATE_GOLDEN"):
        expected.write_text(printed, encoding="utf-8")
    assert printed == expected.read_text(encoding="utf-8")
    assert "Traceback" not in printed


def variables(folder: Path) -> dict[str, str]:
    """A shell with `trueup` and `git`, a state of its own, and the same names, times and width for everyone."""
    kept = {k: v for k, v in os.environ.items() if k != "CI" and not k.startswith(("GIT_", "PYTEST_"))}
    identity = {
        f"GIT_{who}_{what}": text
        for who in ("AUTHOR", "COMMITTER")
        for what, text in (("NAME", "Lena"), ("EMAIL", "lena@example.com"), ("DATE", "2026-01-02T03:04:05Z"))
    }
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    return {
        **kept,
        **identity,
        "PATH": path,
        "EXAMPLES": str(ROOT / "examples"),
        "XDG_STATE_HOME": str(folder / "state"),
        "GIT_CONFIG_GLOBAL": os.devnull,
        "GIT_CONFIG_SYSTEM": os.devnull,
        "COLUMNS": "120",
        "NO_COLOR": "1",
    }


def normal(text: str, folder: Path) -> str:
    """The output without what differs from run to run."""
    text = text.replace(str(folder / "work"), "WORK").replace(str(folder), "TMP").replace(str(ROOT), "CHECKOUT")
    for pattern, word in REPLACED:
        text = pattern.sub(word, text)
    return text
