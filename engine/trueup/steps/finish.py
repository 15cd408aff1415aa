"""The end of a run in MLflow: parameters and metrics of all steps. `python -m trueup.steps.finish`, started by the runner once a run ended.

Reads the description on standard input, prints the MLflow run's id.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from trueup.steps import tracking
from trueup.steps.main import context_of


def main() -> int:
    """Logs what standard input describes: `context`, `params`, `metrics`, `outcome`."""
    asked = json.load(sys.stdin)
    context = context_of(asked, Path.cwd())
    client = tracking.client(context)
    run = tracking.run_id(client, context)
    tracking.log(client, run, asked["params"], asked["metrics"], asked["outcome"])
    sys.stdout.write(run + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
