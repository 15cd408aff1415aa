"""`make capabilities`: lists what tests prove, and proves each by taking the named function away.

A test marked `@pytest.mark.capability("group/id", by="package.module:function")` counts when it passes, and fails *by an assertion
of its own* once that function does nothing in an installed copy of the package. The copy is a virtual environment of its own, so
that the CLI, the provider, the runner, steps and servers that the test starts all see it. A time-out, an import error or an error in
the test's own plumbing is no proof.

    python tests/capabilities.py [--list] [--only TEXT] [--jobs N]
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import queue
import shutil
import subprocess
import sys
import sysconfig
import tempfile
import time
import venv
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = ("engine/trueup", "specs/trueup_specs", "stacks/trueup_stacks")
SECONDS = 420
"""How long one test may take without its function before it is stopped, which is no proof."""

NOTHING = """

def _take_away(path):
    import inspect
    owner, _, name = path.rpartition(".")
    place = globals()
    holder = None
    for part in owner.split(".") if owner else ():
        holder = place[part] if holder is None else getattr(holder, part)
    kept = place[name] if holder is None else inspect.getattr_static(holder, name)
    found = getattr(kept, "__func__", getattr(kept, "func", getattr(kept, "__wrapped__", kept)))

    async def later(*_arguments, **_named):
        return None

    def empty(*_arguments, **_named):
        return iter(())

    def nothing(*_arguments, **_named):
        return None

    made = later if inspect.iscoroutinefunction(found) else empty if inspect.isgeneratorfunction(found) else nothing
    made.__name__, made.__doc__ = name, getattr(found, "__doc__", None)
    made.__signature__ = inspect.signature(found)
    for kind in (staticmethod, classmethod):
        if isinstance(kept, kind):
            made = kind(made)
    if isinstance(kept, property) or type(kept).__name__ == "cached_property":
        made = property(made)
    if holder is None:
        place[name] = made
    else:
        setattr(holder, name, made)


_take_away({path!r})
"""


@dataclass(frozen=True)
class Claim:
    """A test that says what it proves, and by which function."""

    id: str
    by: str
    test: str


def main() -> int:
    """Lists the claims, proves them, and says what did not hold; the exit code."""
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--list", action="store_true", help="only list the claims")
    arguments.add_argument(
        "--only", default="", metavar="TEXT", help="only claims whose id, function or test holds the text"
    )
    arguments.add_argument("--jobs", type=int, default=2, metavar="N", help="so many at once (2)")
    asked = arguments.parse_args()
    claims = [c for c in collected() if asked.only in f"{c.id} {c.by} {c.test}"]
    problems = list(malformed(claims))
    if asked.list or problems:
        for claim in claims:
            print(f"{claim.id:55} {claim.by}\n    {claim.test}")
        print("\n".join(problems))
        print(f"{len({c.id for c in claims})} ids claimed by {len(claims)} tests.")
        return 1 if problems else 0
    return prove(claims, asked.jobs)


def collected() -> list[Claim]:
    """Every claim of the test suite."""
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "claims.json"
        command = [
            sys.executable,
            "-m",
            "pytest",
            "--collect-only",
            "-qq",
            "-p",
            "capabilities_plugin",
            "-p",
            "no:xdist",
            "tests",
        ]
        done = subprocess.run(
            command, cwd=ROOT, capture_output=True, text=True, check=False, env=_variables({"TRUEUP_CLAIMS": str(out)})
        )
        if not out.exists():
            sys.exit(f"The tests cannot be collected:\n{done.stdout[-3000:]}{done.stderr[-3000:]}")
        return [Claim(**c) for c in json.loads(out.read_text())]


def malformed(claims: list[Claim]) -> list[str]:
    """Claims of functions that are not there, and of ids that the mission does not have (where its list is at hand)."""
    known = capability_ids()
    found = []
    for claim in claims:
        module, _, function = claim.by.partition(":")
        file = source(Path(), module)
        if not any((ROOT / top / file).is_file() for top in ("engine", "specs", "stacks")):
            found.append(f"{claim.test}: there is no module {module}.")
        elif not function:
            found.append(f"{claim.test}: `by` must be `package.module:function`.")
        if known and claim.id not in known:
            found.append(f"{claim.test}: {claim.id!r} is no capability.")
    return found


def capability_ids() -> set[str]:
    """The ids of the mission, `component/id`; empty where its list is not beside the checkout."""
    path = ROOT.parent / "shared" / "CAPABILITIES.md"
    found, component = set(), ""
    for line in path.read_text().splitlines() if path.exists() else ():
        if line.startswith("## "):
            component = line[3:].strip()
        elif line.startswith("| ") and not line.startswith(("| id ", "| area ")):
            found.add(f"{component}/{line.split('|')[1].strip()}")
    return found


def source(site: Path, module: str) -> Path:
    """The file of a module below a folder of packages."""
    path = site / Path(*module.split("."))
    return path / "__init__.py" if (ROOT / "engine" / path).is_dir() or path.is_dir() else path.with_suffix(".py")


def prove(claims: list[Claim], jobs: int) -> int:
    """Runs every claimed test as it is, then each without its function, `jobs` at once, each in a copy of its own."""
    began = time.monotonic()
    proven: set[str] = set()
    failures = []
    with tempfile.TemporaryDirectory(prefix="trueup-capabilities-") as folder:
        copies: queue.Queue[tuple[Path, Path]] = queue.Queue()
        for number in range(jobs):
            copies.put(installed(Path(folder) / f"copy{number}"))

        def as_they_are(tests: list[str]) -> dict[str, dict[str, Any]]:
            copy = copies.get()
            try:
                return outcomes(copy[0], tests, seconds=SECONDS * len(tests))
            finally:
                copies.put(copy)

        def take_away(claim: Claim) -> tuple[Claim, bool, str]:
            copy = copies.get()
            try:
                return claim, *judged(*copy, claim, good.get(claim.test, {"outcome": "not run"}))
            finally:
                copies.put(copy)

        with ThreadPoolExecutor(jobs) as pool:
            good: dict[str, dict[str, Any]] = {}
            for found in pool.map(as_they_are, by_file(claims)):
                good |= found
            passed = sum(g["outcome"] == "passed" for g in good.values())
            print(f"{passed} of {len({c.test for c in claims})} tests pass as they are.", flush=True)
            for number, (claim, ok, why) in enumerate(pool.map(take_away, claims), 1):
                word = "proven" if ok else "NOT PROVEN"
                print(
                    f"[{number}/{len(claims)}] {word}  {claim.id}  by {claim.by}" + ("" if ok else f"\n    {why}"),
                    flush=True,
                )
                if ok:
                    proven.add(claim.id)
                else:
                    failures.append(claim)
    seconds = time.monotonic() - began
    print(f"{len(proven)} capabilities proven, {len(failures)} of {len(claims)} claims not, in {seconds:.0f} s.")
    return 1 if failures else 0


def by_file(claims: list[Claim]) -> list[list[str]]:
    """The claimed tests, those of one file together, since they share what is slow to set up."""
    files: dict[str, dict[str, None]] = {}
    for claim in claims:
        files.setdefault(claim.test.partition("::")[0], {})[claim.test] = None
    return [list(tests) for tests in files.values()]


def installed(folder: Path) -> tuple[Path, Path]:
    """A virtual environment with a copy of the packages and everything else of this one; its interpreter and its site folder."""
    venv.create(folder, with_pip=False, symlinks=True)
    site = next((folder / "lib").glob("python*")) / "site-packages"
    for package in PACKAGES:
        shutil.copytree(ROOT / package, site / Path(package).name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copytree(ROOT / "examples" / "quickstart", site / "trueup" / "quickstart")
    base = Path(sysconfig.get_path("purelib"))
    (site / "base.pth").write_text(f"{base}\n")
    for script in (Path(sys.executable).parent).iterdir():
        target = folder / "bin" / script.name
        if target.exists() or not script.is_file():
            continue
        if script.name in ("trueup", "pulumi-resource-trueup"):
            _script(script, target, folder / "bin" / "python")
        else:
            target.symlink_to(script)
    return folder / "bin" / "python", site


def _script(script: Path, target: Path, python: Path) -> None:
    """A console script that runs the copy."""
    module = "trueup.cli.main" if script.name == "trueup" else "trueup.provider.main"
    target.write_text(f"#!{python}\nimport sys\nfrom {module} import run\nsys.exit(run())\n")
    target.chmod(0o755)


def judged(python: Path, site: Path, claim: Claim, good: dict[str, Any]) -> tuple[bool, str]:
    """Whether a claim holds, and why not."""
    if good["outcome"] != "passed":
        return False, f"The test itself: {good['outcome']}. {good.get('text', '')[:300]}"
    module, _, path = claim.by.partition(":")
    file = site / source(Path(), module)
    kept = file.read_text()
    file.write_text(kept + NOTHING.format(path=path))
    try:
        found = outcomes(python, [claim.test], seconds=SECONDS).get(claim.test, {"outcome": "not run"})
    finally:
        file.write_text(kept)
    if found["outcome"] == "passed":
        return False, "The test passes without the function."
    if found["outcome"] != "failed":
        return False, f"Without the function it did not fail but: {found['outcome']}. {found.get('text', '')[:300]}"
    if not found["assertion"]:
        return False, f"Without the function it fails, but not by its assertion: {found.get('text', '')[:300]}"
    return True, ""


def outcomes(python: Path, tests: list[str], seconds: int) -> dict[str, dict[str, Any]]:
    """How tests end in the copy, by node id."""
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "outcomes.json"
        command = [
            str(python),
            "-m",
            "pytest",
            "-qq",
            "-p",
            "capabilities_plugin",
            "-p",
            "no:xdist",
            "-p",
            "no:cacheprovider",
            f"--timeout={SECONDS}",
            *tests,
        ]
        with contextlib.suppress(subprocess.TimeoutExpired):
            subprocess.run(
                command,
                cwd=ROOT,
                capture_output=True,
                text=True,
                check=False,
                timeout=seconds,
                env=_variables({"TRUEUP_OUTCOMES": str(out)}),
            )
        return json.loads(out.read_text()) if out.exists() else {}


def _variables(more: dict[str, str]) -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(ROOT / "tests"), **more}


if __name__ == "__main__":
    sys.exit(main())
