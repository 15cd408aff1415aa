"""Promoting pins a version by the smallest edit of the right file, and only what was in use before."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest

from trueup.record import accepted
from trueup.workspace import overlays
from trueup.workspace.opening import WorkspaceError
from trueup.workspace.promoting import Promoted, promote
from trueup_specs.core.references import Key
from trueup_specs.kinds.model.spec import ModelSpec

World = Any
CHURN = Key("Model", "churn", "churn")
PATCH = """\
# Who looks after prod: the on-call of growth.
apiVersion: trueup.dev/v1alpha1
kind: Overlay
metadata: {name: in-prod, owner: growth}   # short
spec:
  target: {kind: Model, name: churn}
  environments: [prod]
  patch:
"""


def version_in(world: World, environment: str) -> int | None:
    spec = world.prepare(environment).catalog.get(CHURN).spec
    assert isinstance(spec, ModelSpec)
    return spec.version


def test_the_accepted_version_is_pinned_for_the_next_environment_in_a_file_of_its_own(churn: World) -> None:
    churn.apply("dev", version=3)
    done = promote(churn.workspace, "churn")
    assert done == Promoted("churn/churn-version-prod.yaml", "Model/churn/churn", 3, "prod")
    assert churn.git("status", "--porcelain") == "?? churn/churn-version-prod.yaml"
    assert (version_in(churn, "prod"), version_in(churn, "dev")) == (3, None)
    prepared = churn.prepare("prod")
    alias = next(r for r in prepared.compilation.resources() if r.address.type == "trueup:registry:Alias")
    assert alias.properties["version"] == 3
    assert not prepared.plan.evidence.runs, "prod trains nothing"


def test_a_second_promotion_changes_one_number(churn: World) -> None:
    churn.apply("dev", version=3)
    promote(churn.workspace, "churn")
    path = churn.folder / "churn/churn-version-prod.yaml"
    path.write_text(path.read_text().replace("version: 3", "version: 3   # since March"))
    churn.commit()
    churn.apply("prod", version=3)
    churn.apply("dev", version=4)
    before = path.read_text()
    promote(churn.workspace, "churn")
    assert path.read_text() == before.replace("version: 3", "version: 4")


@pytest.mark.parametrize(
    ("patch", "expected"),
    [
        ("    version: 1 # old\n    description: Hi.\n", "    version: 5 # old\n    description: Hi.\n"),
        ("    # soon more\n    description: 'Hi.'\n", "    # soon more\n    version: 5\n    description: 'Hi.'\n"),
        ("    {description: Hi.}\n", "    { version: 5, description: Hi.}\n"),
        ("    {version: 1}\n", "    {version: 5}\n"),
        ("    {version: 12, description: Hi.}\n", "    {version: 5, description: Hi.}\n"),
    ],
)
def test_an_overlay_that_is_there_is_edited_with_comments_and_layout_kept(
    churn: World, patch: str, expected: str
) -> None:
    churn.write("churn/prod.yaml", PATCH + patch)
    churn.commit()
    churn.apply("dev", version=5)
    assert promote(churn.workspace, "churn", "prod").file == "churn/prod.yaml"
    assert (churn.folder / "churn/prod.yaml").read_text() == PATCH + expected
    assert version_in(churn, "prod") == 5


def test_a_later_document_of_a_file_is_edited_in_its_place(churn: World) -> None:
    first = PATCH.replace("in-prod", "a-dev").replace("[prod]", "[dev]") + "    description: In dev.\n---\n"
    churn.write("churn/prod.yaml", first + PATCH + "    description: In prod.\n")
    churn.commit()
    churn.apply("dev", version=5)
    promote(churn.workspace, "churn")
    assert (
        churn.folder / "churn/prod.yaml"
    ).read_text() == first + PATCH + "    version: 5\n    description: In prod.\n"


def test_an_overlay_of_several_environments_is_left_alone(churn: World) -> None:
    churn.write("churn/both.yaml", PATCH.replace("[prod]", "[dev, prod]") + "    description: Both.\n")
    churn.commit()
    churn.apply("dev", version=5)
    assert promote(churn.workspace, "churn").file == "churn/churn-version-prod.yaml"
    assert version_in(churn, "dev") is None


def test_an_overlay_that_would_win_is_named_and_nothing_is_left_behind(churn: World) -> None:
    churn.write(
        "churn/both.yaml",
        PATCH.replace("[prod]", "[dev, prod]").replace("in-prod", "zz") + "    retention: {versions: 3}\n",
    )
    churn.commit()
    churn.apply("dev", version=5)
    churn.write("churn/both.yaml", PATCH.replace("[prod]", "[dev, prod]").replace("in-prod", "zz") + "    version: 9\n")
    with pytest.raises(WorkspaceError, match="set `version` of Model/churn/churn to different values"):
        promote(churn.workspace, "churn")
    assert not (churn.folder / "churn/churn-version-prod.yaml").exists()


def test_what_was_never_in_use_before_is_refused(churn: World) -> None:
    churn.apply("dev", version=3)
    churn.apply("dev", version=4)
    with pytest.raises(
        WorkspaceError, match=r"Version 7 of Model/churn/churn was never in use in dev. These were: 3, 4\."
    ) as error:
        promote(churn.workspace, "churn", "prod", 7)
    assert error.value.code == 7
    assert promote(churn.workspace, "churn", "prod", 3).version == 3


def test_nothing_to_promote_is_said(churn: World) -> None:
    with pytest.raises(WorkspaceError, match="Apply it there first"):
        promote(churn.workspace, "churn")
    with pytest.raises(WorkspaceError, match="Apply it there first"):
        promote(churn.workspace, "churn", "prod")
    with pytest.raises(WorkspaceError, match="'stage' is none of prod"):
        promote(churn.workspace, "churn", "stage")
    with pytest.raises(WorkspaceError, match="Did you mean Model/churn"):
        promote(churn.workspace, "chrun")
    churn.apply("dev", version=3)
    promote(churn.workspace, "churn")
    churn.apply("prod", version=3)
    with pytest.raises(WorkspaceError, match="is the same version all along dev → prod"):
        promote(churn.workspace, "churn")


def test_a_version_soaks_before_it_goes_on(churn: World) -> None:
    churn.edit("churn/model.yaml", "    mode: pullRequest\n", "    mode: pullRequest\n    soak: 1h\n")
    churn.commit()
    churn.apply("dev", version=3)
    with pytest.raises(WorkspaceError, match=r"for 0 min; `promotion.soak` is 1h") as error:
        promote(churn.workspace, "churn")
    assert error.value.code == 7
    churn.edit("churn/model.yaml", "soak: 1h", "soak: 0s")
    assert promote(churn.workspace, "churn").version == 3


def test_a_document_without_a_patch_is_no_place_for_a_version() -> None:
    with pytest.raises(ValueError, match=r"no mapping at spec\.patch"):
        overlays.pinned("spec:\n  patch: 1\n", 0, 3)


def later(monkeypatch: pytest.MonkeyPatch, hours: float) -> None:
    """Lets time go on for those who ask how long a version has served."""

    class Later(datetime):
        @classmethod
        def now(cls, tz: Any = None) -> datetime:
            return datetime.now(tz) + timedelta(hours=hours)

    monkeypatch.setattr(accepted, "datetime", Later)


def alias_in(world: World, environment: str) -> Any:
    """The version that an environment's alias is to point to, and the notes about soaking."""
    prepared = world.prepare(environment)
    aliases = [r for r in prepared.compilation.resources() if r.address.type == "trueup:registry:Alias"]
    notes = [d.summary for d in prepared.diagnostics if d.code == "TRU2008"]
    return [a.properties["version"] for a in aliases], notes


@pytest.mark.capability("model-management/transition-automation", by="trueup_stacks.local.model:promoted_version")
def test_a_version_that_goes_on_by_itself_soaks_too(churn: World, monkeypatch: pytest.MonkeyPatch) -> None:
    churn.edit("churn/model.yaml", "    mode: pullRequest\n", "    mode: auto\n    soak: 1h\n")
    churn.commit()
    churn.apply("dev", version=3)
    versions, (note,) = alias_in(churn, "prod")
    assert versions == [] and "Version 3 of Model/churn/churn soaks in dev for another 60 min" in note
    later(monkeypatch, 2)
    assert alias_in(churn, "prod") == ([3], [])
    churn.apply("prod", version=3)
    churn.apply("dev", version=4)
    later(monkeypatch, 0.5)
    versions, (note,) = alias_in(churn, "prod")
    assert versions == [3], "prod keeps what it has while the new version soaks"
    assert "Version 4" in note and "another 30 min" in note
    churn.apply("dev", version=4)
    later(monkeypatch, 1.5)
    assert alias_in(churn, "prod") == ([4], []), "an apply that accepts the same version again does not begin anew"


def test_without_a_pin_an_environment_keeps_what_was_promoted_last(churn: World) -> None:
    churn.apply("dev", version=3)
    file = churn.folder / promote(churn.workspace, "churn").file
    churn.commit()
    churn.apply("prod", version=3)
    file.unlink()
    churn.commit()
    churn.apply("dev", version=4)
    assert alias_in(churn, "prod") == ([3], [])
