"""The programs of a control plane, built with Go from their pinned modules: once, into Trueup's cache.

Each module's own go.mod says what it is built from; a tool's module has to repeat its replacements. Those that are
folders of its repository, which a module does not carry, are published as modules of their own. Called by `fixtures.py` and
`__main__.py`.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
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


ETCD = Module("go.etcd.io/etcd/server/v3", "v3.6.16", {"etcd": "go.etcd.io/etcd/server/v3"})
KUBERNETES = Module(
    "k8s.io/kubernetes",
    "v1.36.3",
    {n: f"k8s.io/kubernetes/cmd/{n}" for n in ("kube-apiserver", "kube-controller-manager", "kube-scheduler")},
    staging="v0.36.3",
)
KWOK = Module("sigs.k8s.io/kwok", "v0.7.0", {"kwok": "sigs.k8s.io/kwok/cmd/kwok"})
MODULES = (ETCD, KUBERNETES, KWOK)


def binary(program: str) -> Path:
    """Where a built program is, or will be."""
    version = next(m.version for m in MODULES if program in m.programs)
    return places.cache() / "tools" / f"{program}-{version}"


def built() -> bool:
    """Whether nothing is left to be built."""
    return all(binary(p).is_file() for m in MODULES for p in m.programs)


def build() -> None:
    """Builds what is not there: minutes, once. Raises FileNotFoundError without Go, CalledProcessError where a build fails."""
    if built():
        return
    if shutil.which("go") is None:
        raise FileNotFoundError("The test cluster is built with Go, which is not on PATH")
    tools = places.cache() / "tools"
    tools.mkdir(parents=True, exist_ok=True)
    for module in MODULES:
        name = next(iter(module.programs))
        with FileLock(tools / f"{name}-{module.version}.lock"):
            if not all(binary(p).is_file() for p in module.programs):
                _build(module, tools / f"{name}-{module.version}-build")


def _build(module: Module, folder: Path) -> None:
    folder.mkdir(exist_ok=True)
    environment = dict(os.environ) | {"GOFLAGS": "-mod=mod", "CGO_ENABLED": "0"}
    got = subprocess.run(
        ["go", "mod", "download", "-json", f"{module.path}@{module.version}"],
        cwd=folder,
        env=environment,
        check=True,
        capture_output=True,
    )
    source = Path(json.loads(got.stdout)["Dir"])
    (folder / "go.mod").write_text(_tools((source / "go.mod").read_text(), module))
    (folder / "go.sum").write_bytes((source / "go.sum").read_bytes())
    for program, package in module.programs.items():
        made = folder / program
        command = ["go", "build", "-trimpath", "-ldflags", f"-s -w {_stamp(module)}", "-o", str(made), package]
        subprocess.run(["nice", *command], cwd=folder, env=environment, check=True)
        made.rename(binary(program))


def _tools(own: str, module: Module) -> str:
    """The go.mod of the tools: the module's own, which is required in turn; folders of its repository become what is published."""
    named = re.sub(r"(?m)^module .*$", "module tools", own, count=1)
    named = re.sub(r"(?m)^toolchain .*\n", "", named)  # else Go fetches the one that the module was released with
    named = FOLDER.sub(rf"\1\2 => \2 {module.staging}\n" if module.staging else "", named)
    return f"{named}\nrequire {module.path} {module.version}\n"


def _stamp(module: Module) -> str:
    """Kubernetes' programs learn their version from the linker; without it they call themselves v0.0.0 and clients refuse them."""
    if not module.staging:
        return ""
    major, minor, _ = module.version.removeprefix("v").split(".")
    values = {"gitVersion": module.version, "gitMajor": major, "gitMinor": minor, "gitTreeState": "clean"}
    return " ".join(f"-X k8s.io/component-base/version.{k}={v}" for k, v in values.items())
