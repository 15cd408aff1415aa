"""An environment over two clusters, whose API servers answer or do not, for tests of what is done where one is away."""

from __future__ import annotations

import json
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any, cast

from trueup.workspace.opening import Workspace
from trueup_specs.kinds.environment.spec import EnvironmentSpec
from trueup_stacks.core.resources import StackId

FRANKFURT, VIRGINIA = (StackId("prod", "churn", "serving", end) for end in ("", "virginia"))


class Api(BaseHTTPRequestHandler):
    status = 200

    def do_GET(self) -> None:
        self.send_response(self.status)
        self.end_headers()
        self.wfile.write(b'{"gitVersion": "v1.36.0"}')

    def log_message(self, *_arguments: Any) -> None:
        pass


@dataclass
class Somewhere:
    """The folder of a workspace, and the port of an API server."""

    folder: Path
    port: int = 0

    def kubeconfig(self, name: str, port: int) -> None:
        server = {"server": f"http://127.0.0.1:{port}"}
        found = {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": name, "cluster": server}],
            "users": [{"name": name, "user": {}}],
            "contexts": [{"name": name, "context": {"cluster": name, "user": name}}],
            "current-context": name,
        }
        (self.folder / f"{name}.json").write_text(json.dumps(found))

    def settings(self, **virginia: Any) -> EnvironmentSpec:
        members = [
            {"name": "frankfurt", "kubeconfig": "frankfurt.json", "context": "frankfurt", "movedFrom": "cluster"},
            {"name": "virginia", "kubeconfig": "virginia.json", "context": "virginia", **virginia},
        ]
        return EnvironmentSpec.model_validate({"target": "kubernetes", "clusters": members})

    @property
    def workspace(self) -> Workspace:
        return cast(Workspace, self)
