"""The liveness probe: `python -m trueup.serving.watch FOLDER`, kept by the supervisor beside the servers."""

from __future__ import annotations

import logging
import os
import sys
import time
from pathlib import Path

from trueup.serving.liveness import Watch


def main(folder: Path) -> None:
    """Looks every quarter of a second whether a probe is due, until it is asked to end or the supervisor is gone."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    watch, keeper = Watch(folder), os.getppid()
    while os.getppid() == keeper:
        watch.look()
        time.sleep(0.25)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
