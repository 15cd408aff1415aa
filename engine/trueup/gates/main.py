"""The process that judges: `python -m trueup.gates.main`, started by `provider.gate` in the environment of the candidate's pipeline.

Versions are unpickled here and never in the process that applies. Reads what is asked on standard input, writes `{evidence}` or
`{error}` to the file that the first argument names.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from trueup.gates import models
from trueup.gates.checks import Gate
from trueup.gates.judging import Judge
from trueup.gates.rows import plain

if TYPE_CHECKING:
    import pandas as pd


def main() -> int:
    """Judges what standard input describes."""
    sys.dont_write_bytecode = True  # what a model imports may lie in an exported tree of code
    asked = json.load(sys.stdin)
    try:
        result: dict[str, Any] = {"evidence": judged(asked)}
    except Exception as error:  # noqa: BLE001 — whatever a model raises while it loads or predicts is the answer
        result = {"error": f"{type(error).__name__}: {error}"}
    Path(sys.argv[1]).write_text(json.dumps(result), encoding="utf-8")
    return 0


def judged(asked: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The evidence of all gates."""
    import mlflow

    mlflow.set_tracking_uri(asked["trackingUri"])
    mlflow.set_registry_uri(asked["trackingUri"])
    judge = Judge(
        model=asked["model"],
        version=int(asked["version"]),
        label=asked["label"],
        metrics=asked["metrics"],
        positive=asked.get("positiveClass"),
        read=lambda table: _rows(asked.get("holdout"), table),
        load=models.load,
    )
    return [found for gate in asked["gates"] for found in judge.evidence(Gate.read(gate))]


def _rows(holdout: str | None, table: Mapping[str, Any] | None) -> pd.DataFrame | None:
    """The rows of a version of a table, or those that the run held out."""
    if table is not None:
        from deltalake import DeltaTable

        return plain(DeltaTable(table["uri"], version=int(table["version"])).to_pandas())
    if not holdout or not Path(holdout).exists():
        return None
    import pandas as pd

    return plain(pd.read_parquet(holdout))


if __name__ == "__main__":
    sys.exit(main())
