"""Programs that tests use, built with Go from their pinned modules: once, into Trueup's cache (minutes for the large ones).

A module's own go.mod says what it is built from, and a tool's module has to repeat its replacements. Those that are folders of its
repository, which a module does not carry, are published as modules of their own.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from filelock import FileLock

from trueup import places

FOLDER = re.compile(r"(?m)^([ \t]*(?:replace )?)(\S+)(?: v\S+)? => \.\.?/\S+\n")
"""A replacement by a folder of the repository."""


@dataclass(frozen=True)
class Module:
    """A Go module and the programs of it: name → package."""

    path: str
    version: str
    programs: Mapping[str, str]
    staging: str = ""
    """The version of the modules that the repository keeps in folders beside it, where its go.mod does not say so."""
    tags: str = ""
    """Build tags. With any, C is compiled too: they are for SQLite."""
    stamp: str = ""
    """What the linker sets, for programs that learn their version from it."""
    instead: Mapping[str, str] = field(default_factory=dict)
    """Another version of a module that it needs, where the one of its go.mod is not to be had."""
    links: Mapping[str, str] = field(default_factory=dict)
    """Symbolic links of the repository, which a module does not carry: file → the file of the module that it leads to."""

    def binary(self, program: str = "") -> Path:
        """Where a built program is, or will be; by default the first."""
        return places.cache() / "tools" / f"{program or next(iter(self.programs))}-{self.version}"

    def built(self) -> bool:
        """Whether nothing is left to be built."""
        return all(self.binary(p).is_file() for p in self.programs)

    def build(self) -> None:
        """Builds what is not there. Raises FileNotFoundError without Go, CalledProcessError where a build fails."""
        if self.built():
            return
        first = self.binary()
        if shutil.which("go") is None:
            raise FileNotFoundError(f"{first.name} is built with Go, which is not on PATH")
        first.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(f"{first}.lock"):
            if not self.built():
                self._build(Path(f"{first}-build"))

    def source(self) -> Path:
        """The module's files, downloaded where they are not there."""
        folder = Path(f"{self.binary()}-build")
        folder.mkdir(parents=True, exist_ok=True)
        asked = ["go", "mod", "download", "-json", f"{self.path}@{self.version}"]
        got = subprocess.run(asked, cwd=folder, env=self._environment(), check=True, capture_output=True)
        return Path(json.loads(got.stdout)["Dir"])

    def _build(self, folder: Path) -> None:
        source = self.source()
        (folder / "go.mod").write_text(self._tools((source / "go.mod").read_text()))
        (folder / "go.sum").write_bytes((source / "go.sum").read_bytes())
        if self.links:
            self._link(source, folder)
        for program, package in self.programs.items():
            made = folder / program
            flags = ["-trimpath", "-tags", self.tags, "-ldflags", f"-s -w {self.stamp}", "-o", str(made)]
            subprocess.run(["nice", "go", "build", *flags, package], cwd=folder, env=self._environment(), check=True)
            made.rename(self.binary(program))

    def _link(self, source: Path, folder: Path) -> None:
        """Builds from a copy that has the links."""
        copy = folder / "source"
        shutil.rmtree(copy, ignore_errors=True)
        shutil.copytree(source, copy, copy_function=shutil.copyfile)
        for inner in (copy, *(p for p in copy.rglob("*") if p.is_dir())):
            inner.chmod(0o755)  # folders of the module cache are read-only
        for file, to in self.links.items():
            shutil.copyfile(copy / to, copy / file)
        with (folder / "go.mod").open("a") as written:
            written.write(f"replace {self.path} => ./source\n")

    def _tools(self, own: str) -> str:
        """The go.mod of the tools: the module's own, which is required in turn; folders become what is published."""
        named = re.sub(r"(?m)^module .*$", "module tools", own, count=1)
        named = re.sub(r"(?m)^toolchain .*\n", "", named)  # else Go fetches the one that the module was released with
        named = FOLDER.sub(rf"\1\2 => \2 {self.staging}\n" if self.staging else "", named)
        other = "".join(f"replace {m} => {m} {v}\n" for m, v in self.instead.items())
        return f"{named}\nrequire {self.path} {self.version}\n{other}"

    def _environment(self) -> dict[str, str]:
        return {**os.environ, "GOFLAGS": "-mod=mod", "CGO_ENABLED": "1" if self.tags else "0"}
