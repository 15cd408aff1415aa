"""The targets by name."""

from __future__ import annotations

from trueup_stacks.core.targets import Target
from trueup_stacks.local.target import LOCAL

TARGETS: dict[str, Target] = {LOCAL.name: LOCAL}
"""Every target that specs can be compiled for."""
