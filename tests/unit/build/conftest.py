"""A store, small images and wheels, made here."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from images import wheels
from trueup.build import assembly, attachments, inventory, layers, provenance
from trueup.build.assembly import Recipe
from trueup.build.attachments import Attachment
from trueup.build.bases import Base
from trueup.build.images import Image
from trueup.build.inventory import Subject
from trueup.build.layers import Item
from trueup.build.packages import Distribution
from trueup.build.store import Store
from trueup.build.systems import System

if TYPE_CHECKING:
    from trueup.build.signing import Private

Make = Callable[..., tuple[Image, tuple[Attachment, ...]]]


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "store")


@pytest.fixture
def make(store: Store) -> Make:
    """An image with one file, and what goes with it; signed where there is a key."""

    def made(content: bytes = b"print()", key: Private | None = None) -> tuple[Image, tuple[Attachment, ...]]:
        recipe = Recipe("Pipeline", "report", (Item("app/code/a.py", content),), "code", ("python",))
        one = layers.layer(store, "code", recipe.items, 0)
        image = assembly.assemble(store, Base("scratch"), [one], recipe, "linux/amd64", 1_700_000_000, {"a": "b"})
        digest = image.manifest.digest
        subject = Subject("credit/report", digest, 1_700_000_000)
        listed = inventory.inventory(subject, [Distribution("jinja2", "3.1.2")], System(), "scratch")
        described = attachments.Described(
            "credit/report",
            listed,
            provenance.statement("credit/report", digest, provenance.PREDICATE, provenance.provenance({}, [], "0")),
            provenance.statement("credit/report", digest, provenance.CYCLONEDX, inventory.read(listed)),
        )
        return image, attachments.attach(store, image.manifest, described, key)

    return made


@pytest.fixture
def wheel(tmp_path: Path) -> Callable[..., Path]:
    """Writes a wheel of one module, perhaps with a console script, into a folder of its own."""

    return partial(wheels.wheel, tmp_path / "wheels")
