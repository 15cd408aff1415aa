"""The scenes, for the tests of this folder."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

sys.path.insert(0, str(Path(__file__).parent))

if TYPE_CHECKING:
    from trueup_test_crds import Crds


@pytest.fixture(scope="session")
def schemas() -> Crds:
    """The schemas of the components' custom resources, which stand beside the checkout."""
    from trueup_test_crds import FOLDER, Crds

    if not FOLDER.is_dir():
        pytest.skip("the components' CRDs are not there")
    return Crds()
