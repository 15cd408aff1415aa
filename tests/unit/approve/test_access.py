"""Access policies: who may change which kinds, namespaces, fields and environments, told from the authors of commits; and who may apply."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from trueup.workspace import permitting

World = Any
POLICY = """\
apiVersion: trueup.dev/v1alpha1
kind: AccessPolicy
metadata: {{ name: guarded }}
spec: {{ {spec} }}
"""
CAPACITY = "match: { kinds: [Endpoint] }, users: [bea]"


def guard(world: World, spec: str = CAPACITY, **more: str) -> None:
    """A policy that holds, and was applied."""
    world.write("access.yaml", POLICY.format(spec=spec))
    world.edit("environments.yaml", "  approvals: { required: 1, teams: [credit] }\n", "")
    world.commit("Access", email="bea@example.com")
    world.apply()


def longer(world: World, email: str = "cem@example.com", message: str = "A longer timeout") -> str:
    world.edit("endpoint.yaml", "timeout: 10s", "timeout: 20s")
    return str(world.commit(message, email=email))


def refused(world: World, **given: Any) -> list[str]:
    """What access policies refuse of a plan, as an apply is told."""
    found = permitting.permission(world.workspace, world.prepare(**given))
    return [r.text for r in found.refusals if "guarded" in r.text]


@pytest.mark.capability("model-management/access-control", by="trueup.approve.access:_refused")
def test_who_is_not_named_may_not_change_it(world: World) -> None:
    guard(world)
    commit = longer(world)
    verdicts = world.prepare().plan.evidence.verdicts
    assert verdicts is not None, "the plan was judged"
    assert [(v.policy, v.allowed, v.object) for v in verdicts] == [("guarded", False, "Endpoint/credit/risk")]
    [text] = refused(world)
    assert text == (
        "The policy guarded refuses Endpoint/credit/risk: cem (cem@example.com) changed spec.predictor.timeout in "
        f"{commit[:10]}, which only bea may."
    )


@pytest.mark.capability("data-operations/access-control", by="trueup.approve.attribution:attributed")
def test_who_is_named_may(world: World) -> None:
    guard(world)
    longer(world, "bea@example.com")
    assert [(v.policy, v.allowed) for v in world.prepare().plan.evidence.verdicts] == [("guarded", True)]
    assert refused(world) == []


@pytest.mark.parametrize(
    ("spec", "asked"),
    [
        ("match: { kinds: [Model] }, users: [bea]", False),
        ("match: { namespaces: [credit] }, users: [bea]", True),
        ("match: { namespaces: [churn] }, users: [bea]", False),
        ("match: { environments: [dev] }, users: [bea]", True),
        ("match: { fields: [spec.predictor] }, users: [bea]", True),
        ("match: { fields: [spec.predictor.timeout] }, users: [bea]", True),
        ("match: { fields: [spec.predictor.minReplicas] }, users: [bea]", False),
        ("match: { fields: [metadata.owner] }, users: [bea]", False),
        ("match: { kinds: [Endpoint] }, teams: [credit]", False),
        ("match: { kinds: [Endpoint] }, users: [CEM@example.com]", False),
        ("users: [bea]", True),
        ("on: [apply], users: [bea, ada]", False),
    ],
)
def test_a_policy_is_about_what_it_matches(world: World, spec: str, asked: bool) -> None:
    guard(world, spec)
    longer(world)
    assert bool(refused(world)) is asked


def test_another_environment_is_another_matter(world: World) -> None:
    world.write("prod.yaml", "apiVersion: trueup.dev/v1alpha1\nkind: Environment\nmetadata: { name: prod }\nspec: {}\n")
    guard(world, "match: { environments: [prod] }, users: [bea]")
    longer(world)
    assert refused(world) == []


def test_each_commit_is_judged_by_its_own_author(world: World) -> None:
    """Cem changes what he may, and bea what only she may, in one document."""
    guard(world, "match: { fields: [spec.predictor.minReplicas] }, users: [bea]")
    longer(world, "cem@example.com")
    world.edit("endpoint.yaml", "minReplicas: 1", "minReplicas: 2")
    world.commit("Two", email="bea@example.com")
    assert refused(world) == []


def test_someone_elses_commit_in_between_is_found(world: World) -> None:
    guard(world)
    longer(world)
    world.edit("endpoint.yaml", "minReplicas: 1", "minReplicas: 2")
    world.commit("Two", email="bea@example.com")
    assert len(refused(world)) == 1


def test_what_was_taken_back_is_no_matter(world: World) -> None:
    guard(world)
    longer(world)
    world.edit("endpoint.yaml", "timeout: 20s", "timeout: 10s")
    world.edit("model.yaml", "default: 1.0", "default: 2.0")
    world.commit("Back", email="cem@example.com")
    assert refused(world) == []


def test_a_co_author_must_be_allowed_too(world: World) -> None:
    guard(world)
    longer(world, "bea@example.com", "Longer\n\nCo-authored-by: Cem <cem@example.com>")
    assert "cem" in refused(world)[0]


def test_a_stranger_is_named_by_the_address(world: World) -> None:
    guard(world)
    longer(world, "eve@example.com")
    assert "eve@example.com, who is in no Team," in refused(world)[0]


def test_adding_and_removing_touch_every_field(world: World) -> None:
    guard(world, "match: { fields: [spec.predictor.minReplicas] }, users: [bea]")
    world.git("rm", "-q", "endpoint.yaml")
    world.commit("Gone", email="cem@example.com")
    assert len(refused(world)) == 1


def test_an_overlay_counts_as_what_it_patches(world: World) -> None:
    guard(world, "match: { kinds: [Endpoint], fields: [spec.predictor.timeout] }, users: [bea]")
    world.write(
        "overlay.yaml",
        "apiVersion: trueup.dev/v1alpha1\nkind: Overlay\nmetadata: { name: slow, namespace: credit }\n"
        "spec: { target: { kind: Endpoint, name: risk }, environments: [dev], patch: { predictor: { timeout: 20s } } }\n",
    )
    world.commit("By an overlay", email="cem@example.com")
    assert len(refused(world)) == 1


def test_a_file_that_could_not_be_read_in_between_is_judged_in_full(world: World) -> None:
    guard(world)
    world.edit("endpoint.yaml", "timeout: 10s", "timeout: 20s\n      timeout: 30s")
    world.commit("Broken", email="cem@example.com")
    world.edit("endpoint.yaml", "\n      timeout: 30s", "")
    world.commit("Mended", email="bea@example.com")
    assert "cem" in refused(world)[0]


def test_a_merge_that_someone_else_presses_is_not_theirs(world: World) -> None:
    guard(world)
    world.git("switch", "--quiet", "-c", "topic")
    longer(world, "bea@example.com")
    world.git("switch", "--quiet", "main")
    world.write("notes.md", "Notes.\n")
    world.commit("Notes", email="cem@example.com")
    world.git("-c", "user.email=cem@example.com", "merge", "--quiet", "--no-edit", "topic")
    assert refused(world) == []


def test_what_is_not_committed_is_judged_by_who_works_here(world: World) -> None:
    guard(world)
    world.edit("endpoint.yaml", "timeout: 10s", "timeout: 20s")
    assert "ada (ada@example.com) changed spec.predictor.timeout in the working tree" in refused(world)[0]


def test_the_rules_of_the_base_branch_hold(world: World) -> None:
    """A branch that names its author in the policy is judged by the policy that does not."""
    guard(world)
    world.git("switch", "--quiet", "-c", "topic")
    world.edit("access.yaml", "users: [bea]", "users: [bea, cem]")
    longer(world)
    assert len(refused(world, revision="topic", rules=world.tree("main"))) == 1


def test_who_takes_the_policy_away_is_judged_by_it(world: World) -> None:
    """Pushed to main past every pull request."""
    guard(world, "users: [bea]")
    world.git("rm", "-q", "access.yaml")
    longer(world)
    assert any("AccessPolicy/guarded" in text for text in refused(world))


def test_a_history_that_is_not_here_is_refused(world: World, tmp_path: Path) -> None:
    from trueup.workspace.opening import open_workspace
    from trueup.workspace.planning import prepare

    guard(world)
    longer(world, "bea@example.com")
    clone = tmp_path / "shallow"
    world.git("clone", "--quiet", "--depth", "1", f"file://{world.folder}", str(clone))
    world.git("-C", str(clone), "fetch", "--quiet", "origin", "trueup/ledger:trueup/ledger")
    workspace = open_workspace(clone)
    from trueup.load.trees import revision

    tree = revision(clone, "HEAD", "")
    assert tree is not None
    verdicts = prepare(workspace, "dev", tree).plan.evidence.verdicts
    assert ["git fetch --unshallow" in v.message for v in verdicts if not v.allowed] == [True]


SIGNED = "match: { kinds: [Endpoint] }, teams: [credit], requireSignature: true"


def sign(world: World, key: Path) -> None:
    world.git("config", "user.signingKey", str(key))
    world.git("config", "commit.gpgsign", "true")


def test_a_commit_that_is_not_signed_is_refused(world: World) -> None:
    guard(world, SIGNED)
    longer(world)
    assert "is not signed by its author cem@example.com" in refused(world)[0]


@pytest.mark.parametrize(("key", "fine"), [("cem", True), ("bea", False), ("mallory", False)])
def test_a_signature_must_be_the_authors_own(world: World, keys: dict[str, Path], key: str, fine: bool) -> None:
    guard(world, SIGNED)
    sign(world, keys[key])
    longer(world)
    assert (refused(world) == []) is fine


def test_a_merge_that_the_forge_signed_counts_as_signed_by_its_author(world: World, keys: dict[str, Path]) -> None:
    guard(world, f'{SIGNED}, forgeKeys: ["{" ".join(keys["mallory"].read_text().split()[:2])}"]')
    sign(world, keys["mallory"])
    longer(world)
    assert refused(world) == []


def test_who_may_not_apply_is_refused(world: World) -> None:
    guard(world, "on: [apply], users: [bea]")
    longer(world)
    assert refused(world) == ["AccessPolicy/guarded: ada (ada@example.com) applies dev, which only bea may."]
    world.git("config", "user.email", "bea@example.com")
    assert refused(world) == []


def test_who_applies_must_sign_where_it_is_asked(world: World, keys: dict[str, Path]) -> None:
    guard(world, "on: [apply], teams: [credit], requireSignature: true")
    longer(world)
    assert "must sign" in refused(world)[0]
    world.git("config", "user.signingKey", str(keys["bea"]))
    assert "must sign" in refused(world)[0], "ada's name with bea's key"
    world.git("config", "user.signingKey", str(keys["ada"]))
    assert refused(world) == []
