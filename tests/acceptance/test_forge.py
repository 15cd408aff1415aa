"""Pull requests on a real Gitea, from the branch to the ledger that a stranger's clone proves: one repository, in order."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from forges.hub import Hub

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

WORKSPACE = """\
apiVersion: trueup.dev/v1alpha1
kind: Workspace
metadata: { name: shop }
spec: { defaultNamespace: shop }
"""
ENVIRONMENTS = """\
apiVersion: trueup.dev/v1alpha1
kind: Environment
metadata: {{ name: dev }}
spec:
  target: local
  state: {{ backend: "file://{state}/dev" }}
---
apiVersion: trueup.dev/v1alpha1
kind: Environment
metadata: {{ name: prod }}
spec:
  target: local
  state: {{ backend: "file://{state}/prod" }}
  approvals: {{ required: 1, teams: [risk] }}
"""
TEAMS = """\
apiVersion: trueup.dev/v1alpha1
kind: Team
metadata: { name: risk }
spec:
  owns: [shop]
  members:
    - { user: rita, email: rita@example.com }
    - { user: rolf, email: rolf@example.com }
"""
STORE = """\
apiVersion: trueup.dev/v1alpha1
kind: ObjectStore
metadata: {{ name: {name}, owner: risk }}
spec: {{ description: "{text}" }}
"""


@pytest.fixture(scope="module")
def hub(gitea: Any, make_repository: Callable[[str], Any], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hub]:
    """The project with its first commit: two environments, a team, nothing applied."""
    kind = type(make_repository("empty"))
    top = tmp_path_factory.mktemp("hub")
    people = {name: gitea.user(name) for name in ("owner", "tomas", "rita", "rolf", "robot", "stranger")}
    project = gitea.repository(people["owner"], "shop")
    for name in ("tomas", "rita", "rolf", "robot"):
        gitea.member(project, people[name])
    found = Hub(gitea, project, people, top, kind)
    first = found.clone("first", "owner")
    files = {
        "trueup.yaml": WORKSPACE,
        "environments.yaml": ENVIRONMENTS.format(state=top / "pulumi"),
        "teams.yaml": TEAMS,
    }
    for path, text in files.items():
        (first.folder / path).write_text(text, encoding="utf-8")
    first.commit("Begin")
    first.git("push", "-q", "origin", "HEAD:main")
    found.people_clones = {name: found.clone(f"of-{name}", name) for name in ("tomas", "rita", "owner")}
    found.runner = found.clone("runner", "robot")
    yield found
    found.runner.close()


def plan_comments(hub: Hub, number: int) -> list[Any]:
    return [c for c in hub.comments(number) if c["body"].startswith("<!-- trueup:plan")]


@pytest.fixture(scope="module")
def first(hub: Hub) -> int:
    """The first pull request, opened and planned."""
    hub.branch("raw", {"raw.yaml": STORE.format(name="raw", text="What comes in")})
    number = hub.open("raw")
    hub.plan(number)
    return number


def test_a_pull_request_gets_one_comment_that_says_what_happens(hub: Hub, first: int) -> None:
    (comment,) = plan_comments(hub, first)
    top = "\n".join(comment["body"].splitlines()[:12])
    assert comment["user"]["login"] == "robot"
    assert "1 to create" in top and "`dev`" in top and "`prod`" in top and "Approvals" in top, top
    assert "ObjectStore/shop/raw" in comment["body"]
    states = {c: s for c, (s, _) in hub.statuses(head_of(hub, first)).items()}
    assert states == {"trueup/dev": "success", "trueup/prod": "pending"}


def head_of(hub: Hub, number: int) -> str:
    return str(hub.gitea.call("GET", f"repos/{hub.project}/pulls/{number}")["head"]["sha"])


def test_a_push_updates_the_same_comment_and_keeps_the_older_plan(hub: Hub, first: int) -> None:
    (before,) = plan_comments(hub, first)
    hub.branch("raw", {"more.yaml": STORE.format(name="more", text="What is left over")})
    hub.plan(first)
    (after,) = plan_comments(hub, first)
    assert after["id"] == before["id"]
    assert "ObjectStore/shop/more" in after["body"] and "ObjectStore/shop/more" not in before["body"]
    earlier = after["body"].partition("<!-- trueup:data ")[2]
    assert hub.git_of("raw~1") in earlier, "the older plan is not in the comment any more"


def test_a_plan_is_nothing_that_is_recorded(hub: Hub, first: int) -> None:
    assert "trueup/ledger" not in hub.people_clones["tomas"].git("ls-remote", "origin")


def test_a_wrong_spec_is_told_and_fails_the_job(hub: Hub) -> None:
    hub.branch("wrong", {"wrong.yaml": STORE.format(name="wrong", text="x").replace("description", "descripton")})
    number = hub.open("wrong")
    done = hub.plan(number, code=4)
    (comment,) = plan_comments(hub, number)
    assert "descripton" in comment["body"] and "wrong.yaml:4" in comment["body"], done.text
    assert hub.statuses(head_of(hub, number))["trueup/plan"][0] == "failure"


def test_an_approved_pull_request_is_applied_after_the_merge_and_everyone_is_told(hub: Hub, first: int) -> None:
    hub.review(first, "rita")
    hub.branch("raw", {"NOTES.txt": "A push that changes no effect keeps the approval."})
    merged = hub.merge(first)
    done = hub.apply()
    assert f"#{first}" in done.err, done.text
    said = {
        c["body"].split("environment=")[1].split()[0]: c["body"]
        for c in hub.comments(first)
        if "trueup:result" in c["body"][:30]
    }
    assert "applied to `dev`" in said["dev"] and "applied to `prod`" in said["prod"], said
    assert "rita" in said["prod"]
    states = hub.statuses(merged)
    assert states["trueup/dev"][0] == states["trueup/prod"][0] == "success"
    assert (hub.runner.home / "prod").exists()


def fresh(hub: Hub, name: str) -> Any:
    """Somebody's fresh clone, who can ask the forge."""
    return hub.job(hub.clone(f"{name}-{len(list(hub.top.iterdir()))}", "stranger"))


def test_a_fresh_clone_proves_the_ledger_with_the_forge_s_anchor(hub: Hub, first: int) -> None:
    clone = fresh(hub, "proof")
    report = clone.trueup("audit", "verify", "--forge", "--output", "json").json
    assert report["ok"] and report["anchored"] and report["entries"] >= 4, report
    kinds = [e["event"] for e in clone.trueup("audit", "log", "--output", "json").json]
    assert "applied" in kinds and "approved" in kinds and "step" in kinds, kinds
    blamed = clone.trueup("audit", "blame", "ObjectStore/raw", "--env", "prod").out
    assert "rita" in blamed, blamed


def test_a_second_apply_has_nothing_to_do_and_says_so(hub: Hub, first: int) -> None:
    done = hub.apply()
    assert "Nothing to do" in done.out and "Applied" not in done.out


# --- what is refused ---


def merged_unapplied(hub: Hub, name: str) -> tuple[int, str]:
    """A pull request that was merged and must not be applied to prod; what the job said."""
    before = hub.runner.trueup("audit", "log", "--env", "prod", "--output", "json").json
    done = hub.apply("prod", code=7)
    after = hub.runner.trueup("audit", "log", "--env", "prod", "--output", "json").json
    assert not [e for e in after[: len(after) - len(before)] if e["event"] in ("applied", "step")], name
    return done.code, done.text


def results_of(hub: Hub, number: int, environment: str) -> str:
    """The result's comment of an environment."""
    found = [
        c["body"]
        for c in hub.comments(number)
        if f"trueup:result workspace=shop environment={environment} " in c["body"]
    ]
    assert len(found) == 1, found
    return str(found[0])


@pytest.fixture(scope="module")
def unapproved(hub: Hub, first: int) -> int:
    """Merged with the approval of nobody that counts: the reviewer wrote a commit of it, and approves it."""
    hub.branch("own", {"own.yaml": STORE.format(name="own", text="Hers")}, user="rita")
    number = hub.open("own")
    hub.review(number, "rita")
    hub.merge(number)
    return number


def test_who_wrote_a_commit_does_not_approve_it(hub: Hub, unapproved: int) -> None:
    _, said = merged_unapplied(hub, "own")
    told = results_of(hub, unapproved, "prod")
    assert "not applied to `prod`" in told and "nobody approves a change of their own" in told, told
    assert "not approved" in said
    assert hub.statuses(hub.git_of("main"))["trueup/prod"][0] == "pending"
    assert not (hub.runner.home / "prod/objects/shop/own").exists()


def test_another_pull_request_that_is_approved_covers_what_it_holds(hub: Hub, unapproved: int) -> None:
    """It is how a merge without approval is asked for again: the reviewer of the next sees all that is not applied."""
    hub.branch("again", {"AGAIN.txt": "Please look at main as it is."})
    number = hub.open("again")
    hub.review(number, "rolf")
    hub.merge(number)
    hub.apply("prod")
    assert "applied to `prod`" in results_of(hub, unapproved, "prod")
    assert "rolf" in results_of(hub, number, "prod")


def test_a_push_after_the_approval_that_changes_an_effect_is_refused_with_the_difference(
    hub: Hub, unapproved: int
) -> None:
    hub.branch("grown", {"grown.yaml": STORE.format(name="grown", text="Small")})
    number = hub.open("grown")
    hub.review(number, "rita")
    hub.branch("grown", {"sneaked.yaml": STORE.format(name="sneaked", text="Not looked at")})
    hub.plan(number)
    (comment,) = plan_comments(hub, number)
    assert "missing" in "\n".join(comment["body"].splitlines()[:12]), comment["body"][:900]
    hub.merge(number)
    merged_unapplied(hub, "grown")
    told = results_of(hub, number, "prod")
    assert "sneaked" in told and "create grown" not in told, told
    hub.branch("looked", {"LOOKED.txt": "Looked at now."})
    after = hub.open("looked")
    hub.review(after, "rolf")
    hub.merge(after)
    hub.apply("prod")


def test_a_reviewer_who_was_removed_no_longer_counts(hub: Hub, unapproved: int) -> None:
    hub.branch("removed", {"removed.yaml": STORE.format(name="removed", text="Approved by one who left")})
    number = hub.open("removed")
    hub.review(number, "rolf")
    hub.merge(number)
    hub.gitea.remove(hub.project, hub.people["rolf"])
    try:
        merged_unapplied(hub, "removed")
        assert "may not write to the project any more" in results_of(hub, number, "prod")
    finally:
        hub.gitea.member(hub.project, hub.people["rolf"])
    hub.apply("prod")
    assert "applied to `prod`" in results_of(hub, number, "prod")


def test_a_review_that_was_dismissed_or_taken_back_is_none(hub: Hub, unapproved: int) -> None:
    hub.branch("taken", {"taken.yaml": STORE.format(name="taken", text="Approved too early")})
    number = hub.open("taken")
    hub.review(number, "rita")
    hub.gitea.call(
        "POST",
        f"repos/{hub.project}/pulls/{number}/reviews",
        {"event": "REQUEST_CHANGES", "body": "No."},
        hub.people["rita"],
    )
    dismissed = hub.review(number, "rolf")
    hub.gitea.call(
        "POST",
        f"repos/{hub.project}/pulls/{number}/reviews/{dismissed}/dismissals",
        {"message": "Not yours."},
        hub.people["owner"],
    )
    hub.merge(number)
    merged_unapplied(hub, "taken")
    told = results_of(hub, number, "prod")
    assert "The review of rolf was dismissed" in told and "rita" in told, told
    hub.branch("settled", {"SETTLED.txt": "Settled."})
    after = hub.open("settled")
    hub.review(after, "rolf")
    hub.merge(after)
    hub.apply("prod")


def test_two_merges_are_applied_as_one_and_an_unrelated_one_keeps_the_approval(hub: Hub, unapproved: int) -> None:
    numbers = []
    for name in ("left", "right"):
        hub.branch(name, {f"{name}.yaml": STORE.format(name=name, text="One of two")})
        numbers.append(hub.open(name))
    for number, who in zip(numbers, ("rita", "rolf"), strict=True):
        hub.review(number, who)
    for number, style in zip(numbers, ("squash", "rebase"), strict=True):
        hub.merge(number, style)
    done = hub.apply("prod")
    assert all(f"#{n}" in done.err for n in numbers), done.text
    log = hub.runner.trueup("audit", "log", "--env", "prod", "--limit", "1", "--output", "json").json
    assert log[0]["event"] == "applied" and log[0]["outcome"] == "done"
    assert all("applied to `prod`" in results_of(hub, n, "prod") for n in numbers)


def test_an_older_commit_is_never_applied_over_a_newer(hub: Hub, unapproved: int) -> None:
    done = hub.job(hub.runner).trueup("ci", "apply", "prod", "--revision", hub.git_of("main~1"), code=5)
    assert "is older than" in done.err and "rollback" in done.err


# --- what is wrong around a job ---


def test_each_thing_that_is_missing_has_its_own_code_and_text(hub: Hub, first: int) -> None:
    clone = hub.job(hub.clone("without", "stranger"), first)
    del clone.variables["TRUEUP_FORGE_TOKEN"]
    assert "TRUEUP_FORGE_TOKEN" in clone.trueup("ci", "plan", code=12).err
    hub.job(clone, 999_999)
    assert "refuses" in clone.trueup("ci", "plan", code=13).err
    hub.job(clone, first)
    assert "no environment 'staging'" in clone.trueup("ci", "plan", "staging", code=3).err
    assert "staging" in hub.job(hub.runner).trueup("ci", "apply", "staging", code=3).err


def test_a_comment_that_is_refused_loses_nothing(hub: Hub) -> None:
    hub.branch("quiet", {"quiet.yaml": STORE.format(name="quiet", text="Told to nobody")})
    number = hub.open("quiet")
    clone = hub.job(hub.clone("quiet", "stranger"), number)
    reader = hub.gitea.token("stranger", ("read:repository", "read:issue", "read:user"))
    clone.variables["TRUEUP_FORGE_TOKEN"] = reader
    done = clone.trueup("ci", "plan", code=11)
    assert "not told" in done.err and reader not in done.text
    assert "ObjectStore/shop/quiet" in (clone.folder / "trueup-plan.md").read_text()
    assert json.loads((clone.folder / "trueup-plan.dev.json").read_text())["environment"] == "dev"
    assert not plan_comments(hub, number)


def test_while_the_forge_is_away_nothing_is_done_and_afterwards_all_is_told(hub: Hub, unapproved: int) -> None:
    hub.branch("away", {"away.yaml": STORE.format(name="away", text="Merged before the forge went away")})
    number = hub.open("away")
    hub.review(number, "rita")
    hub.merge(number)
    hub.gitea.stop()
    try:
        done = hub.apply(code=13)
    finally:
        hub.gitea.start()
    assert not (hub.runner.home / "prod/objects/shop/away").exists()
    assert "Look at the remote" in done.err, done.text
    hub.apply()
    assert "applied to `prod`" in results_of(hub, number, "prod")


def test_a_fork_s_pull_request_is_planned_from_where_the_forge_keeps_its_head(hub: Hub) -> None:
    stranger = hub.people["stranger"]
    fork = hub.gitea.fork(hub.project, stranger)
    head = hub.gitea.write(fork, "gift", "gift.yaml", STORE.format(name="gift", text="From outside, @rita"), stranger)
    number = int(hub.gitea.pull_request(hub.project, "stranger:gift", stranger))
    hub.plan(number)
    (comment,) = plan_comments(hub, number)
    assert "ObjectStore/shop/gift" in comment["body"] and head[:10] in comment["body"]
    assert hub.statuses(head)["trueup/dev"][0] == "success"
    assert "gift" not in hub.people_clones["tomas"].git("ls-remote", "--heads", "origin")


# --- the ledger under attack ---

LEDGER = "refs/heads/trueup/ledger"


def attacked(hub: Hub, name: str, forged: Callable[[Any], str]) -> Any:
    """A fresh clone whose ledger is what an attacker made of it."""
    clone = fresh(hub, name)
    clone.git("update-ref", LEDGER, "origin/trueup/ledger")
    clone.git("update-ref", LEDGER, forged(clone))
    return clone


def rewritten(clone: Any, keep: Callable[[int, str], str | None]) -> str:
    """The chain written again: `keep` gives the tree of each commit, oldest first, or None where it is dropped."""
    made = ""
    for number, commit in enumerate(clone.git("rev-list", "--reverse", LEDGER).split()):
        tree = keep(number, commit)
        if tree is None:
            continue
        body = clone.git("show", "-s", "--format=%B", commit)
        who = clone.git("show", "-s", "--format=%an%n%ae%n%ad", "--date=raw", commit).split("\n")
        clone.variables |= {
            f"GIT_{r}_{k}": v
            for r in ("AUTHOR", "COMMITTER")
            for k, v in zip(("NAME", "EMAIL", "DATE"), who, strict=True)
        }
        made = clone.git("commit-tree", tree, *(["-p", made] if made else []), "-m", body)
    return made


def changed(clone: Any, number: int, commit: str, at: int) -> str:
    """The tree of a commit; of the one at `at`, with one byte of its statement changed."""
    if number != at:
        return str(clone.git("rev-parse", f"{commit}^{{tree}}"))
    text = clone.git("cat-file", "blob", f"{commit}:event.json")
    assert text.count("robot") >= 1
    file = clone.folder / "forged.json"
    file.write_text(text.replace("robot", "rabot", 1) + "\n", encoding="utf-8")
    blob = clone.git("hash-object", "-w", "forged.json")
    index = {"GIT_INDEX_FILE": str(clone.folder / ".git/forged-index")}
    clone.variables |= index
    clone.git("read-tree", commit)
    clone.git("update-index", "--cacheinfo", f"100644,{blob},event.json")
    tree = clone.git("write-tree")
    del clone.variables["GIT_INDEX_FILE"]
    return str(tree)


def test_one_altered_byte_of_any_entry_is_found(hub: Hub, unapproved: int) -> None:
    count = int(hub.runner.git("rev-list", "--count", LEDGER))
    for at in (0, count // 2, count - 1):
        clone = attacked(hub, f"byte{at}", lambda c, at=at: rewritten(c, lambda n, commit: changed(c, n, commit, at)))
        found = clone.trueup("audit", "verify", code=1)
        assert "message does not fit its statement" in found.out, found.text


def test_a_dropped_entry_is_found(hub: Hub, unapproved: int) -> None:
    def without_third(clone: Any) -> str:
        return rewritten(clone, lambda n, c: None if n == 2 else str(clone.git("rev-parse", f"{c}^{{tree}}")))

    found = attacked(hub, "dropped", without_third).trueup("audit", "verify", code=1)
    assert "dropped or put in" in found.out


def test_a_cut_off_end_is_found_with_the_forge_s_anchor_only(hub: Hub, unapproved: int) -> None:
    clone = attacked(hub, "cut", lambda c: str(c.git("rev-parse", f"{LEDGER}~2")))
    assert "not anchored" in clone.trueup("audit", "verify").out
    assert "The end is cut off" in clone.trueup("audit", "verify", "--forge", code=1).out


def test_a_ledger_that_was_written_anew_is_found_and_nothing_is_applied_on_it(hub: Hub, unapproved: int) -> None:
    good = hub.git_of("trueup/ledger")
    forger = hub.clone("forger", "owner")
    forger.git("update-ref", LEDGER, f"{good}~3")
    for number in range(6):
        forger.trueup(("down", "up")[number % 2], "dev")
    forger.git("push", "-q", "--force", "origin", f"{LEDGER}:{LEDGER}")
    try:
        clone = fresh(hub, "anew")
        assert "not anchored" in clone.trueup("audit", "verify").out
        assert "written anew" in clone.trueup("audit", "verify", "--forge", code=1).out
        fresh_runner = hub.job(hub.clone("fresh-runner", "robot"))
        done = fresh_runner.trueup("ci", "apply", "dev", code=7)
        assert "cut off, or it was written anew" in done.err
    finally:
        forger.git("push", "-q", "--force", "origin", f"{good}:{LEDGER}")
    assert fresh(hub, "restored").trueup("audit", "verify", "--forge").code == 0
