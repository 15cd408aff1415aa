"""The quickstart that comes with Trueup: the files of `examples/quickstart`, in an installed wheel or in a checkout. Called by
`beginning` and `demonstration`; changes nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import trueup

PACKAGED, CHECKOUT = "quickstart", "examples/quickstart"


def folder() -> Path:
    """Where the files are. Raises FileNotFoundError for an installation without them."""
    package = Path(trueup.__file__).parent
    for found in (package / PACKAGED, package.parents[1] / CHECKOUT):
        if (found / "trueup.yaml").is_file():
            return found
    raise FileNotFoundError("This installation lacks the quickstart's files. Install Trueup anew.")


def files() -> Mapping[str, bytes]:
    """Every file of the quickstart, by path."""
    top = folder()
    return {p.relative_to(top).as_posix(): p.read_bytes() for p in sorted(top.rglob("*")) if p.is_file()}
