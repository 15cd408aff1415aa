"""An SDK's classes are wholly loaded before several stacks are declared at once. Looked at in a process that has loaded nothing before."""

from __future__ import annotations

import subprocess
import sys

PROGRAM = """
import sys
from pulumi._utils import _LazyModule
from trueup_stacks.sdk import resource_class

resource_class("kubernetes:apps/v1:Deployment")
for name in ("pulumi_kubernetes.apps.v1", "pulumi_kubernetes.core.v1", "pulumi_kubernetes.meta.v1"):
    print(name, isinstance(sys.modules[name], _LazyModule))
print("others", any(isinstance(m, _LazyModule) for n, m in sys.modules.items() if n.startswith("pulumi_kubernetes.")))
"""


def test_what_a_class_names_is_loaded_with_it_and_nothing_else() -> None:
    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True)
    assert dict(line.split() for line in done.stdout.splitlines()) == {
        "pulumi_kubernetes.apps.v1": "False",
        "pulumi_kubernetes.core.v1": "False",
        "pulumi_kubernetes.meta.v1": "False",
        "others": "True",
    }
