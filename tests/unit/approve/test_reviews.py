"""Reviews of a forge: which count as approvals, over pushes and merges, and why the others do not."""

from __future__ import annotations

import sqlite3
import time
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from trueup.approve import reviews
from trueup.approve.reviews import APPROVED, CHANGES, COMMENTED, DISMISSED, Found, Merge, Review
from trueup.forge.values import PullRequest
from trueup.observe.live import Seen, Sight
from trueup.plan.values import PropertyChange
from trueup.provider.component import Live
from trueup.workspace import permitting, reviewing

World = Any


class Pull:
    """A pull request from a branch of ada's."""

    def __init__(self, world: World, branch: str = "topic", author: str = "ada") -> None:
        self.world, self.branch, self.author, self.said = world, branch, author, list[Review]()
        world.git("switch", "--quiet", "-c", branch, "main")

    def change(self, number: str = "2.0", old: str = "1.0") -> None:
        self.world.git("switch", "--quiet", self.branch)
        self.world.edit("model.yaml", f"default: {old}", f"default: {number}")
        self.world.commit("Less regularisation")

    def review(self, user: str, verdict: str = APPROVED, commit: str = "", stale: bool = False) -> Review:
        commit = commit or self.world.git("rev-parse", self.branch)
        time.sleep(0.002)
        said = Review(str(len(self.said)), user, commit, verdict, datetime.now(UTC), stale)
        self.said.append(said)
        return said

    def merge(self, by: str = "cem@example.com") -> Merge:
        """As a forge does it: a merge commit by whoever pressed the button."""
        self.world.git("switch", "--quiet", "main")
        who = ("-c", f"user.email={by}")
        self.world.git(*who, "merge", "--quiet", "--no-ff", "--no-edit", self.branch)
        return self.request

    @property
    def request(self) -> Merge:
        return Merge(1, self.author, tuple(self.said))


@pytest.fixture
def pull(world: World) -> Pull:
    made = Pull(world)
    made.change()
    return made


def judged(world: World, *merges: Merge, gone: str = "") -> Found:
    return reviewing.judged(world.workspace, world.prepare(revision="main"), merges, lambda user: user != gone)


def reasons(found: Found) -> list[str]:
    return [p.reason for p in found.passed]


def missing(world: World, found: Found) -> str:
    allowed = permitting.permission(world.workspace, world.prepare(revision="main"), reviewed=found)
    return " ".join(r.text for r in allowed.refusals if "not approved" in r.text)


@pytest.mark.capability("model-development/code-review-process", by="trueup.approve.reviews:judge")
def test_a_review_of_what_is_merged_approves_it(world: World, pull: Pull) -> None:
    pull.review("Bea")
    found = judged(world, pull.merge(by="bea@example.com"))
    assert found is not None, "the reviews were judged"
    assert [c.person.user for c in found.counted] == ["bea"], (
        "forges tell capitals not apart; pressing the button is not writing"
    )
    assert missing(world, found) == ""
    allowed = permitting.permission(world.workspace, world.prepare(revision="main"), reviewed=found)
    assert allowed.approvals == (found.counted[0].id,)
    assert missing(world, Found()) != "", "without the review it is refused"


def test_a_push_that_changes_no_effect_keeps_the_review(world: World, pull: Pull) -> None:
    pull.review("bea", stale=True)
    world.write("notes.md", "Something.\n")
    world.commit("Notes")
    assert missing(world, judged(world, pull.merge())) == ""


def test_a_push_that_changes_effects_dismisses_it_for_the_new_ones(world: World, pull: Pull) -> None:
    pull.review("bea")
    world.edit("endpoint.yaml", "timeout: 10s", "timeout: 20s")
    world.commit("A longer timeout")
    found = judged(world, pull.merge())
    said = missing(world, found)
    assert said.startswith("2 of "), said
    assert "timeoutSeconds" in said
    pull.review("bea")
    assert missing(world, judged(world, pull.request)) == ""


def test_another_value_leaves_a_stale_review(world: World, pull: Pull) -> None:
    pull.review("bea", stale=True)
    pull.change("3.0", "2.0")
    assert missing(world, judged(world, pull.merge())) != ""


def test_a_merge_to_main_that_is_unrelated_keeps_it(world: World, pull: Pull) -> None:
    pull.review("bea")
    world.git("switch", "--quiet", "main")
    world.write("notes.md", "Something else.\n")
    world.commit("Notes", email="bea@example.com")
    found = judged(world, pull.merge())
    assert missing(world, found) == "", reasons(found)


def test_what_others_merged_is_not_covered_by_it(world: World, pull: Pull) -> None:
    """Merged after the branch began, and before the review: the review is of the branch."""
    world.git("switch", "--quiet", "main")
    world.edit("endpoint.yaml", "timeout: 10s", "timeout: 20s")
    world.commit("A longer timeout", email="cem@example.com")
    pull.review("bea")
    said = missing(world, judged(world, pull.merge()))
    assert "timeoutSeconds" in said
    assert said.startswith("2 of ")


def test_another_recorded_state_is_not_covered(world: World) -> None:
    """Reviewed as a way from 10 to 20 seconds; from the 12 that were applied in the meantime it is another one."""
    pull = Pull(world)
    world.edit("endpoint.yaml", "timeout: 10s", "timeout: 20s")
    world.commit("A longer timeout")
    pull.review("bea")
    found = judged(world, pull.merge())
    assert missing(world, found) == ""
    world.edit("endpoint.yaml", "timeout: 20s", "timeout: 12s")
    world.commit("Not so long", email="cem@example.com")
    world.apply()
    world.edit("endpoint.yaml", "timeout: 12s", "timeout: 20s")
    world.commit("As it was reviewed", email="cem@example.com")
    found = judged(world, pull.request)
    assert [c.person.user for c in found.counted] == ["bea"]
    assert "timeoutSeconds" in missing(world, found)


def test_an_apply_of_something_else_keeps_it(world: World, pull: Pull) -> None:
    pull.review("bea")
    world.git("switch", "--quiet", "main")
    world.edit("endpoint.yaml", "timeout: 10s", "timeout: 15s")
    world.commit("A longer timeout", email="cem@example.com")
    world.apply()
    assert missing(world, judged(world, pull.merge())) == ""


def test_other_pinned_data_is_not_covered(world: World) -> None:
    """Reviewed with version 1 of the table; another's merge pins version 2, which nobody agreed to train on."""
    world.edit("data.yaml", "  source: credit\n", "  source: credit\n  version: 1\n")
    world.commit("Pin the data", email="cem@example.com")
    world.apply()
    pull = Pull(world)
    pull.change()
    pull.review("bea")
    world.git("switch", "--quiet", "main")
    world.edit("data.yaml", "  version: 1\n", "  version: 2\n")
    world.commit("Other data", email="cem@example.com")
    found = judged(world, pull.merge())
    said = missing(world, found)
    assert "not approved by" in said and found.counted, said
    pull.review("bea", commit=world.git("rev-parse", "main"))
    assert missing(world, judged(world, pull.request)) == "", "whoever looked at both has agreed to both"


ORDERS = """\
apiVersion: trueup.dev/v1alpha1
kind: DataSource
metadata: {name: orders}
spec:
  sql:
    connection: {secretRef: {store: variables, name: WAREHOUSE}}
    query: SELECT id FROM orders
    cursor: SELECT max(id) FROM orders
---
apiVersion: trueup.dev/v1alpha1
kind: Dataset
metadata: {name: orders}
spec:
  source: orders
  schema: {properties: [{name: id, logicalType: integer, required: true}]}
"""


def test_the_latest_data_asks_nobody_again(world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The source was approved, and what it holds from day to day is nobody's change."""
    database = tmp_path / "orders.db"
    monkeypatch.setenv("WAREHOUSE", f"sqlite:///{database}")
    execute(database, "CREATE TABLE orders (id INTEGER)", "INSERT INTO orders VALUES (1)")
    world.edit(
        "environments.yaml", "  target: local\n", "  target: local\n  secretStores: [{name: variables, type: env}]\n"
    )
    world.commit("A store", email="cem@example.com")
    pull = Pull(world)
    world.write("orders.yaml", ORDERS)
    world.commit("Orders")
    pull.review("bea")
    found = judged(world, pull.merge())
    assert missing(world, found) == "" and missing(world, Found()) != ""
    world.apply()
    execute(database, "INSERT INTO orders VALUES (2)")
    ready = world.prepare(revision="main", see=lambda _catalog, _recorded: Sight())
    (step,) = ready.plan.steps
    assert step.exempt == "volatile" and [c.path for c in step.changes] == ["sourceFingerprint"]
    assert not ready.plan.seal and permitting.permission(world.workspace, ready).refusals == ()


def execute(database: Path, *statements: str) -> None:
    with closing(sqlite3.connect(database)) as connection, connection:
        for statement in statements:
            connection.execute(statement)


def test_drift_asks_nobody_again(world: World, pull: Pull) -> None:
    pull.review("bea")
    found = judged(world, pull.merge())
    assert missing(world, found) == ""
    world.apply()
    address = next(
        a for s in world.workspace.ledger.recorded().stacks.values() for a in s.resources if a.type.endswith("Alias")
    )
    drifted = Sight({address: Seen(address, Live({}, {}), (PropertyChange("version", 1, 9),))})
    ready = world.prepare(revision="main", see=lambda _catalog, _recorded: drifted)
    (step,) = ready.plan.steps
    assert step.exempt == "drift" and not ready.plan.seal
    assert permitting.permission(world.workspace, ready, reviewed=Found()).refusals == ()


POLICY = """\
apiVersion: trueup.dev/v1alpha1
kind: Policy
metadata: {{ name: ceiling }}
spec:
  level: {level}
  match: {{ kinds: [{kind}] }}
  expression: "{expression}"
  message: Not like this.
"""
REFUSES = "document.kind != '{kind}'"


def ruled(world: World, kind: str, expression: str, level: str = "mandatory") -> None:
    """A policy that is merged by somebody else after the review."""
    world.git("switch", "--quiet", "main")
    world.write("policies.yaml", POLICY.format(level=level, kind=kind, expression=expression))
    world.commit("A policy", email="cem@example.com")


def refused(world: World, found: Found) -> list[str]:
    allowed = permitting.permission(world.workspace, world.prepare(revision="main"), reviewed=found)
    return [r.text for r in allowed.refusals]


def test_a_policy_that_came_after_the_review_and_refuses_is_not_passed_over(world: World, pull: Pull) -> None:
    pull.review("bea")
    ruled(world, "Model", REFUSES.format(kind="Model"))
    (text,) = refused(world, judged(world, pull.merge()))
    assert text == "The policy ceiling refuses Model/credit/risk: Not like this."


def test_a_policy_that_came_after_the_review_and_agrees_leaves_it(world: World, pull: Pull) -> None:
    pull.review("bea")
    ruled(world, "Model", "document.metadata.name == 'risk'")
    assert refused(world, judged(world, pull.merge())) == []


def test_a_changed_policy_that_asks_for_an_override_asks_again(world: World) -> None:
    rules = "approvals: { rules: [{ teams: [credit] }, { users: [bea], teams: [], policyOverride: true }] }"
    world.edit("environments.yaml", "approvals: { required: 1, teams: [credit] }", rules)
    ruled(world, "Model", "document.metadata.name == 'risk'", level="soft")
    world.apply()
    pull = Pull(world)
    pull.change()
    pull.review("cem")
    found = judged(world, pull.merge())
    assert refused(world, found) == [], [p.reason for p in found.passed]
    ruled(world, "Model", REFUSES.format(kind="Model"), level="soft")
    (text,) = refused(world, judged(world, pull.request))
    assert text.startswith("The policy ceiling refuses")
    pull.review("bea", commit=world.git("rev-parse", "main"))
    assert refused(world, judged(world, pull.request)) == [], "who may override looked at it and agreed"


@pytest.mark.parametrize(
    ("later", "reason"),
    [(CHANGES, "asked for changes later"), (APPROVED, "reviewed again later"), (DISMISSED, "was dismissed")],
)
def test_the_last_word_of_a_person_counts(world: World, pull: Pull, later: str, reason: str) -> None:
    pull.review("bea")
    pull.review("bea", later)
    found = judged(world, pull.merge())
    assert any(reason in r for r in reasons(found)), reasons(found)
    assert len(found.counted) == (later == APPROVED)


def test_a_comment_takes_nothing_back(world: World, pull: Pull) -> None:
    pull.review("bea")
    pull.review("bea", COMMENTED)
    assert missing(world, judged(world, pull.merge())) == ""


def test_who_asked_for_changes_first_may_approve_later(world: World, pull: Pull) -> None:
    pull.review("bea", CHANGES)
    pull.review("bea")
    assert missing(world, judged(world, pull.merge())) == ""


def refusal(world: World, pull: Pull, **given: Any) -> str:
    """Why the one review of a pull request does not count; the plan is then not approved."""
    found = judged(world, pull.merge(), **given)
    assert found.counted == ()
    assert missing(world, found) != ""
    (reason,) = reasons(found)
    return reason


def test_who_opened_it_is_refused(world: World, pull: Pull) -> None:
    pull.author = "Bea"
    pull.review("bea")
    assert "opened the pull request" in refusal(world, pull)


@pytest.mark.parametrize("address", ["bea@example.com", "1234+Bea@users.noreply.example.com"])
def test_who_wrote_a_commit_of_it_is_refused(world: World, pull: Pull, address: str) -> None:
    world.edit("endpoint.yaml", "timeout: 10s", "timeout: 20s")
    world.commit("A longer timeout", email=address)
    pull.review("bea")
    assert "wrote commits" in refusal(world, pull)


def test_a_co_author_is_refused(world: World, pull: Pull) -> None:
    world.edit("endpoint.yaml", "timeout: 10s", "timeout: 20s")
    world.commit("A longer timeout\n\nCo-authored-by: Dan <dan@example.com>\nCo-authored-by: Bea <bea@example.com>")
    pull.review("bea")
    assert "wrote commits" in refusal(world, pull)


def test_a_conflict_that_the_reviewer_settled_is_their_own(world: World, pull: Pull) -> None:
    world.git("switch", "--quiet", "main")
    world.edit("model.yaml", "default: 1.0", "default: 4.0")
    world.commit("More", email="cem@example.com")
    world.git("switch", "--quiet", "topic")
    world.git("merge", "--quiet", "-s", "ours", "--no-commit", "main")
    world.commit("Settled", email="bea@example.com")
    pull.review("bea")
    assert "wrote commits" in refusal(world, pull)


def test_a_reviewer_who_was_removed_is_refused(world: World, pull: Pull) -> None:
    pull.review("bea")
    assert "may not write to the project any more" in refusal(world, pull, gone="bea")


def test_a_member_of_no_team_is_refused(world: World, pull: Pull) -> None:
    pull.review("mallory")
    assert "a member of no Team" in refusal(world, pull)


def test_a_team_that_the_pull_request_itself_joins_does_not_count(world: World, pull: Pull) -> None:
    """The teams are those of the base branch: who is added by the change cannot approve it before it is merged."""
    world.edit("teams.yaml", "  members:\n", "  members:\n    - { user: mallory, email: mallory@example.com }\n")
    world.commit("Mallory")
    pull.review("mallory")
    ready = world.prepare(revision="topic", rules=world.tree("main"))
    found = reviewing.judged(world.workspace, ready, [pull.request], lambda _user: True)
    assert found.counted == ()
    assert "a member of no Team" in found.passed[0].reason


def test_a_member_without_an_address_cannot_rule_out_a_change_of_their_own(world: World, pull: Pull) -> None:
    world.git("switch", "--quiet", "main")
    world.edit("teams.yaml", "user: bea, email: bea@example.com,", "user: bea,")
    world.commit("No address", email="cem@example.com")
    pull.review("bea")
    assert "no `email`" in refusal(world, pull)


def test_a_commit_that_is_not_known_is_refused(world: World, pull: Pull) -> None:
    pull.review("bea", commit="1" * 40)
    assert reviewing.missing(world.workspace, [pull.request]) == ("1" * 40,)
    assert "not in this clone" in refusal(world, pull)


def test_a_commit_whose_specs_are_wrong_is_refused(world: World, pull: Pull) -> None:
    world.edit("endpoint.yaml", "timeout: 10s", "timeout: soon")
    world.commit("Wrong")
    pull.review("bea")
    world.edit("endpoint.yaml", "timeout: soon", "timeout: 10s")
    world.commit("Right")
    assert "are not valid" in refusal(world, pull)


def test_two_who_review_each_other_are_counted_each_for_the_others(world: World, pull: Pull) -> None:
    pull.review("bea")
    pull.merge()
    other = Pull(world, "other", author="bea")
    world.git("reset", "--quiet", "--hard", "main~1")
    world.edit("endpoint.yaml", "timeout: 10s", "timeout: 20s")
    world.commit("A longer timeout", email="bea@example.com")
    other.review("ada")
    found = judged(world, pull.request, other.merge())
    assert [c.person.user for c in found.counted] == ["bea", "ada"]
    assert missing(world, found) == ""
    assert missing(world, judged(world, pull.request)).startswith("2 of ")


def test_a_review_is_recorded_once_with_what_was_verified_and_approves_nothing_by_itself(
    world: World, pull: Pull
) -> None:
    review = pull.review("bea")
    found = judged(world, pull.merge())
    ready = world.prepare(revision="main")
    [entry] = reviewing.record(world.workspace, ready, found, "gitea")
    assert reviewing.record(world.workspace, ready, found, "gitea") == []
    event = entry.event
    assert (event.commit, event.details["by"], event.details["seal"]) == (review.commit, "bea", ready.plan.seal_digest)
    assert event.details["base"] == world.git("merge-base", "topic", "main~1")
    assert event.details["review"] == {"forge": "gitea", "pullRequest": 1, "id": "0", "reviewer": "bea"}
    assert missing(world, Found()) != "", "the forge is the source"
    assert missing(world, found) == ""


def test_a_review_that_covers_nothing_is_told_to_be_stale(world: World, pull: Pull) -> None:
    pull.review("bea")
    found = judged(world, pull.merge())
    assert reviews.unused(found, [c.id for c in found.counted]) == ()
    assert "stale" in reviews.unused(found, [])[0].reason


class Requests:
    """A forge that knows which pull requests brought a commit, and nothing else."""

    def __init__(self, *bases: str) -> None:
        self.bases = bases

    def pull_requests_of(self, commit: str) -> tuple[PullRequest, ...]:
        return tuple(
            PullRequest(n, "A change", "", "ada", base, "topic", commit, fork=False, open=False, merge_commit=commit)
            for n, base in enumerate(self.bases, 1)
        )

    def reviews(self, number: int) -> tuple[object, ...]:
        return ()


def test_pull_requests_into_other_branches_are_none_of_the_base_branch(world: World, pull: Pull) -> None:
    pull.merge()
    ready = world.prepare(revision="main")
    forge: Any = Requests("main", "staging", "main")
    assert [m.number for m in reviewing.merges(world.workspace, ready, forge, "main")] == [1, 3]
