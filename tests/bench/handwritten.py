"""A Pulumi program as a team would write it by hand: N buckets of the native provider, in one stack or in several, by the Automation API.

    python handwritten.py HOME STACKS BUCKETS_A_STACK

The provider is the plugin on PATH, as it is for everyone who does not use `trueup apply`.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path

import pulumi
from pulumi import automation

TOKEN = "trueup:data:Bucket"


def program(stack: int, count: int) -> Callable[[], None]:
    def declare() -> None:
        for number in range(count):
            name = f"bucket-{stack}-{number}"
            inputs = {
                "uri": f"home:objects/{stack}/{name}",
                "versioning": False,
                "forceDestroy": False,
                "owner": "",
                "labels": {},
            }
            pulumi.CustomResource(TOKEN, name, inputs)

    return declare


def up(home: Path, stack: int, count: int) -> None:
    work = home / f"work-{stack}"
    work.mkdir(parents=True, exist_ok=True)
    settings = automation.ProjectSettings(
        name="bench", runtime="python", backend=automation.ProjectBackend((home / "state").as_uri())
    )
    found = automation.create_or_select_stack(
        stack_name=f"stack-{stack}",
        project_name="bench",
        program=program(stack, count),
        opts=automation.LocalWorkspaceOptions(work_dir=str(work), project_settings=settings),
    )
    result = found.up()
    assert (result.summary.resource_changes or {}).get("create", 0) >= count


def main() -> None:
    home, stacks, count = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
    (home / "state").mkdir(parents=True, exist_ok=True)
    # Programs that begin at one moment in one process can take each other's engine.
    with ProcessPoolExecutor(4) as pool:
        list(pool.map(partial(up, home, count=count), range(stacks)))


if __name__ == "__main__":
    main()
