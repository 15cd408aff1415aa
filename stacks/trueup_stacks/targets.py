"""The targets by name."""

from __future__ import annotations

from trueup_stacks.aws.target import AWS
from trueup_stacks.core.targets import Target
from trueup_stacks.kubernetes.target import KUBERNETES
from trueup_stacks.local.target import LOCAL

TARGETS: dict[str, Target] = {t.name: t for t in (LOCAL, KUBERNETES, AWS)}
"""Every target that specs can be compiled for."""
