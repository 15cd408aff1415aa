"""What is done to the objects of a cluster by hand and by others (`drifts.yaml`), and whether it is drift."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from cluster.cluster import Cluster


@dataclass(frozen=True)
class Drift:
    """Something that is done to an object. `told` is the paths at which it is drift; nowhere where it is none."""

    object: str
    """Kind and name."""
    what: str
    kubectl: tuple[str, ...] = ()
    patch: Mapping[str, Any] | None = None
    by: str = "kubectl-patch"
    told: tuple[str, ...] = ()
    gone: bool = False
    resource: str = ""

    @property
    def is_drift(self) -> bool:
        return self.gone or bool(self.told)

    @property
    def drifted(self) -> str:
        """The kind and the name in Trueup's addresses."""
        kind, name = self.object.split()
        return f"{kind} {self.resource or name}"

    def do(self, cluster: Cluster, namespace: str) -> None:
        """Does it."""
        kind, name = self.object.replace("NAMESPACE", namespace).split()
        patch = ("patch", "--type=json", f"--patch={json.dumps([self.patch])}", f"--field-manager={self.by}")
        verb, *rest = self.kubectl or patch
        cluster.kubectl(verb, kind.lower(), name, *rest, f"--namespace={namespace}")


DRIFTS = tuple(Drift(**d) for d in YAML(typ="safe").load(Path(__file__).with_suffix(".yaml").read_text("utf-8")))
