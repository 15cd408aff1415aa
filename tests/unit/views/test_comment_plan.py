"""The first ten lines, sections, statuses and remarks of a plan that a reviewer has to judge."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trueup.apply.outcome import PreviewStep, PropertyDiff, StackPreview
from trueup.forge.values import Annotation, State
from trueup.plan.values import (
    ABSENT,
    Action,
    Category,
    Cost,
    Evidence,
    Plan,
    PropertyChange,
    SealEntry,
    SpecChange,
    Step,
    Verdict,
)
from trueup.views.comments import checks, headlines, limits, plan
from trueup.views.comments.steps import apart
from trueup.views.comments.values import Earlier, EnvironmentPlan, PullRequestPlan
from trueup.views.graphs import STYLES
from trueup_specs.core.diagnostics import Diagnostic, Severity
from trueup_specs.core.positions import Location
from trueup_specs.core.references import Key
from trueup_stacks.core.resources import Address, StackId

Problems = Callable[[str], list[str]]
DATA, MODEL = StackId("prod", "credit", "data"), StackId("prod", "credit", "model")
RISK, CLICKS, DB = "Model/credit/risk", "Dataset/credit/clicks", "Database/credit/db"
STEPS = (
    Step(Address(MODEL, "trueup:run:Run", "risk"), Action.UPDATE, RISK, (PropertyChange("params.C", 1.0, 0.5),), expected_seconds=180.0),
    Step(Address(MODEL, "trueup:run:Gate", "risk"), Action.UPDATE, RISK, direct=False),
    Step(Address(DATA, "trueup:data:Table", "clicks"), Action.DELETE, CLICKS, reason="no spec asks for it any more", holds_data=True),
    Step(Address(DATA, "aws:rds/instance:Instance", "db"), Action.MAYBE_REPLACE, DB, (PropertyChange("zone", ABSENT, "b"),)),
)  # fmt: skip
CHANGES = (
    SpecChange("Pipeline/credit/risk", "changed", Category.BREAKING, ("spec.params.C",), "less | regularisation", Location("a.yaml", 1, 3)),
    SpecChange(CLICKS, "removed", Category.BREAKING, location=Location("data.yaml", 40, 1)),
    SpecChange("Endpoint/credit/risk", "changed", Category.METADATA, ("metadata.owner",), location=Location("serving.yaml", 2)),
)  # fmt: skip
EVIDENCE = Evidence(
    runs=((RISK, 180.0),),
    downstream=("Endpoint/credit/risk", RISK),
    drift=("prod.credit.serving::trueup:serve:Service::risk: minReplicas",),
    verdicts=(
        Verdict("owners", "mandatory", True, RISK),
        Verdict("keep-data", "soft", False, CLICKS, "Tables of prod are kept."),
    ),
    approvals_required=2,
    approvers=("risk",),
    unapplied=(SpecChange("Monitor/credit/latency", "added", Category.NON_BREAKING),),
    cost=Cost("EUR", 120.0, 180.0, 420.0, notes=("DaemonSet probe: how many nodes there are is not known.",)),
)
EDGES = (
    (Key.parse("Dataset/credit/clicks"), Key.parse("Pipeline/credit/risk")),
    (Key.parse("Pipeline/credit/risk"), Key.parse(RISK)),
    (Key.parse("QualityGate/credit/better"), Key.parse(RISK)),
    (Key.parse(RISK), Key.parse("Endpoint/credit/risk")),
)
SEAL = (SealEntry("prod.credit.data", "urn", "delete", "", 1, 2),)
PROD = EnvironmentPlan(
    Plan("credit", "prod", "a" * 40, "t" * 40, STEPS, SEAL, CHANGES, EVIDENCE),
    edges=EDGES,
)
REVIEW = PullRequestPlan(
    "credit", (PROD,), "a" * 40, "b" * 40, "mara", earlier=(Earlier("c" * 40, "prod: 1 to update"),)
)


def body_of(review: PullRequestPlan) -> str:
    (body,) = plan.bodies(review, limits.GITHUB)
    return body


def of(evidence: Evidence, **changes: object) -> EnvironmentPlan:
    return replace(PROD, plan=replace(PROD.plan, evidence=evidence, **changes))  # type: ignore[arg-type]


def test_a_reviewer_knows_from_the_first_ten_lines(problems: Problems) -> None:
    body = body_of(REVIEW)
    assert problems(body) == []
    assert body.split("\n")[:10] == [
        "<!-- trueup:plan workspace=credit part=1 -->",
        "## ⚠️ Trueup: 1 to delete, 1 to maybe replace, 2 to update in `prod`",
        "",
        "- **Where**: `prod`: 1 to delete, 1 to maybe replace, 2 to update, 1 training run",
        "- **Risk**: ⛔ **data is lost**: deletes `Dataset/credit/clicks`; ⚠️ may replace `Database/credit/db`",
        "- **Runs**: trains `Model/credit/risk`, about 3 min",
        "- **Downstream**: 1 `Endpoint`, 1 `Model`: `Endpoint/credit/risk`, `Model/credit/risk`",
        "- **Cost**: 120 → 180 EUR a month, 60 more, 420 with every autoscaler at its maximum",
        "- **Gates**: `QualityGate/credit/better` decides whether the new version is used; ⚠️ 1 of 2 policies refused: `keep-data`",
        "- **Approvals**: ⚠️ missing: 2 approvals of team risk",
    ]


def test_the_rest_is_folded_for_each_environment_and_stack(problems: Problems) -> None:
    body = body_of(REVIEW)
    assert "<details><summary>⚠️ <b><code>prod</code></b>: 1 to delete" in body
    first, second = re.findall(r"<details open><summary><code>(prod\.credit\.\w+)</code>", body)
    assert (first, second) == ("prod.credit.data", "prod.credit.model"), "the stack that loses something comes first"
    assert "| `Pipeline/credit/risk` | changed | **breaking** | less `|` regularisation" not in body
    assert (
        "| `Pipeline/credit/risk` | changed | **breaking** | less <code>&#124;</code> regularisation `spec.params.C` |"
        in body
    )
    assert "| `Endpoint/credit/risk` | changed | metadata |" in body
    assert "**Reached indirectly**, their own specs are as they were: `Model/credit/risk`" in body
    assert "- delete trueup:data:Table clicks  (no spec asks for it any more; HOLDS DATA)" in body
    assert "-     params.C: 1.0\n+     params.C: 0.5\n" in body and '+     zone: "b"\n' in body
    assert (
        "| `Model/credit/risk` | 3 min |" in body
        and "| ⚠️ refuses | `keep-data` | `soft` | `Dataset/credit/clicks` |" in body
    )
    assert (
        "- added `Monitor/credit/latency`" in body
        and "🔀 `prod.credit.serving::trueup:serve:Service::risk: minReplicas`" in body
    )
    assert "- `cccccccccc`: prod: 1 to update" in body
    assert "`aaaaaaaaaa` by `mara` merged into `bbbbbbbbbb`" in body and PROD.plan.seal_digest[:16] in body


def test_what_policies_and_errors_block_is_said_first() -> None:
    refused = replace(EVIDENCE, verdicts=(Verdict("keep-data", "mandatory", False, CLICKS),))
    error = Diagnostic("TRU2102", Severity.ERROR, "It is protected.", Location("data.yaml", 40, 1), fix="Unprotect it.")
    found = replace(of(refused), diagnostics=(error,))
    body = body_of(replace(REVIEW, environments=(found,)))
    assert body.split("\n")[1].startswith("## ⛔ Trueup, blocked: ")
    assert (
        "**Risk**: ⛔ **blocked**: 1 error in `prod`, policy `keep-data` refuses `Dataset/credit/clicks`; ⛔ **data is lost**"
        in body
    )
    assert "- ⛔ **`TRU2102`** It is protected.<br>`data.yaml:40:1`<br>→ Unprotect it." in body
    assert checks.plan_status(found) == (
        State.FAILURE,
        "1 error; 1 to delete, 1 to maybe replace, 2 to update, 1 training run",
    )
    assert checks.plan_status(of(refused))[1].startswith("refused by policy keep-data; 1 to delete")


def test_several_environments_are_named_where_they_differ() -> None:
    cheap = replace(EVIDENCE, cost=Cost(unknown="the environment declares no `spec.prices`"))
    dev = replace(PROD, plan=replace(PROD.plan, environment="dev", steps=STEPS[:2], evidence=cheap))
    body = body_of(replace(REVIEW, environments=(dev, PROD)))
    assert "- **Where**: `dev`: 2 to update, 1 training run; `prod`: 1 to delete" in body
    assert "**data is lost**: deletes `Dataset/credit/clicks` (`prod`)" in body
    assert "- **Runs**: `dev`, `prod`: `Model/credit/risk`, about 3 min" in body
    assert "- **Cost**: `dev`: not known: the environment declares no `spec.prices`" in body.replace("\\", "")
    assert "`prod`: 120 → 180 EUR a month, 60 more, 420 with every autoscaler at its maximum" in body
    assert "Not in the cost: 1 resource" in body and "how many nodes there are" in body


def test_nothing_to_do_is_said_as_such() -> None:
    nothing = EnvironmentPlan(Plan("credit", "dev", "", "", (), ()))
    body = body_of(PullRequestPlan("credit", (nothing,), "a" * 40))
    assert "## ✅ Trueup: nothing changes in `dev`" in body and "<details>" not in body
    assert checks.plan_status(nothing) == (State.SUCCESS, "nothing to do")


def test_specs_with_errors_show_their_lines(problems: Problems) -> None:
    wrong = Diagnostic(
        "TRU0110",
        Severity.ERROR,
        "There is no Dataset 'usages'.",
        Location("f.yaml", 3, 5),
        fix="Did you mean `usage`?",
    )
    review = PullRequestPlan("credit", invalid=(wrong,), head="a" * 40)
    (body,) = plan.bodies(review, limits.GITHUB, lambda file, line: f"dataset: usages # {file}:{line} @mara")
    assert problems(body) == []
    assert body.split("\n")[1] == "## ⛔ Trueup: the specs have 1 error, so nothing is planned"
    line = "- ⛔ **`TRU0110`** There is no Dataset 'usages'.<br>`f.yaml:3:5`: `dataset: usages # f.yaml:3 @mara`<br>→ Did you mean `usage`?"
    assert line in body.split("\n")
    assert checks.invalid_status(review) == (State.FAILURE, "not planned: the specs have 1 error")
    assert checks.remarks(review) == (
        Annotation("f.yaml", 3, "failure", "TRU0110", "There is no Dataset 'usages'. Did you mean `usage`?"),
    )


def test_what_cannot_be_planned_says_why(problems: Problems) -> None:
    review = PullRequestPlan("credit", problems=("`left` and main both changed model.yaml.",))
    assert problems(body_of(review)) == []
    assert "## ⛔ Trueup: this cannot be planned\n\n- ⛔ `left` and main both changed `model.yaml`." in body_of(review)
    assert checks.invalid_status(review)[1] == "not planned: `left` and main both changed model.yaml."


def test_the_lineage_marks_what_changed(problems: Problems) -> None:
    graph = re.search(r"```mermaid\n(.*?)```", body_of(REVIEW), re.DOTALL)
    assert graph is not None
    lines = graph[1].splitlines()
    nodes = {f"{m[2]}/{m[3]}": m[4] for m in map(re.compile(NODE).fullmatch, lines) if m}
    assert nodes == {
        "Dataset/credit/clicks": "removed",
        "Database/credit/db": "changed",
        "Pipeline/credit/risk": "changed",
        "Model/credit/risk": "reached",
        "Endpoint/credit/risk": "described",
        "QualityGate/credit/better": None,
    }
    assert all(re.fullmatch(rf"flowchart LR|{NODE}|  n\d+ --> n\d+|  classDef \w+ [\w#:,\- ]+", line) for line in lines)
    assert sum("-->" in line for line in lines) == 4


NODE = r'  (n\d+|more)(?:\[\(|\[|\{\{|\(\[)"(\w+)<br/>([^"]*)"(?:\)\]|\]|\}\}|\]\))(?::::(\w+))?'


@given(st.text(max_size=20), st.text(max_size=20))
def test_no_name_leaves_its_label(name: str, namespace: str) -> None:
    from trueup.views.graphs import flowchart

    key = Key("Model", namespace, name)
    lines = flowchart([(key, key)], {key: "changed"}, hidden=3)
    assert len(lines) == 6 and re.fullmatch(NODE, lines[1])
    assert set(STYLES) >= {"added", "changed", "removed", "reached", "described"}


def test_approvals_that_were_given_are_named() -> None:
    given_one = replace(
        PROD, approved=("mara (team risk)",), missing=("1 more approval of team risk", "a freeze ends on Monday")
    )
    body = body_of(replace(REVIEW, environments=(given_one,)))
    assert (
        "**Approvals**: ⚠️ missing: 1 more approval of team risk; a freeze ends on Monday; so far approved by mara (team risk)"
        in body
    )
    assert checks.plan_status(given_one)[0] is State.PENDING
    assert checks.plan_status(given_one)[1].startswith("missing: 1 more approval of team risk and 1 more; 1 to delete")
    approved = replace(PROD, approved=("mara",))
    assert "**Approvals**: ✅ approved by mara" in body_of(replace(REVIEW, environments=(approved,)))
    told = "1 to delete, 1 to maybe replace, 2 to update, 1 training run; DATA IS LOST in 1 place"
    assert checks.plan_status(approved) == (State.SUCCESS, told)


def test_a_long_sentence_is_short_in_the_summary_and_whole_in_the_fold() -> None:
    long = "11 of 11 effects are not approved by 1 of team risk (approved by nobody so far): " + "; ".join(
        ["create Run risk"] * 9
    )
    head, _, rest = body_of(replace(REVIEW, environments=(replace(PROD, missing=(long,)),))).partition("<details>")
    assert "missing: 11 of 11 effects are not approved by 1 of team risk\n" in head
    assert rest.count("create Run risk") == 9


def test_remarks_stand_at_the_lines_that_matter() -> None:
    found = checks.remarks(REVIEW)
    assert [(a.file, a.line, a.level) for a in found] == [("data.yaml", 40, "warning"), ("data.yaml", 40, "warning")]
    assert {a.title for a in found} == {"Policy keep-data", "prod: delete trueup:data:Table clicks"}
    assert any("It holds data, which is lost." in a.text for a in found)


def test_a_preview_of_the_providers_is_shown(problems: Problems) -> None:
    address = Address(DATA, "aws:rds/instance:Instance", "db")
    diffs = (PropertyDiff("zone", "update", True, "a", "b"), PropertyDiff("tags", "add", new={"x": "<!--"}))
    asked = (
        StackPreview(DATA, True, (PreviewStep(address, "replace", ("zone",), diffs),)),
        StackPreview(MODEL, False, (), "no credentials"),
    )
    body = body_of(replace(REVIEW, environments=(replace(PROD, preview=asked),)))
    assert problems(body) == []
    assert '! replace aws:rds/instance:Instance db  (replaced for zone)\n-     zone: "a"\n+     zone: "b"\n' in body
    assert "the preview failed" in body and "! no credentials" in body


def test_long_values_are_shown_where_they_differ() -> None:
    assert apart("a", "b", 9) == ("a", "b")
    old, new = apart("x" * 500 + "old" + "y" * 500, "x" * 500 + "new" + "y" * 500, 60)
    assert old != new and "old" in old and "new" in new and len(old) <= 62 and old.startswith("…") and old.endswith("…")


@given(st.text(max_size=300), st.text(max_size=300), st.integers(10, 80))
def test_what_differs_is_seen_to_differ(old: str, new: str, width: int) -> None:
    from trueup.views.comments.escaping import visible

    left, right = apart(old, new, width)
    assert (left == right) == (visible(old) == visible(new))


@given(st.lists(st.sampled_from(["risk", "x" * 200, "🚀" * 99, "\u202e@mara"]), max_size=3), st.booleans())
def test_a_status_fits_and_is_one_line(names: list[str], blocked: bool) -> None:
    verdicts = tuple(Verdict(n, "mandatory", not blocked, n) for n in names)
    found = replace(of(replace(EVIDENCE, verdicts=verdicts)), missing=tuple(names))
    _, text = checks.plan_status(found)
    assert text and len(text) <= checks.LONGEST and text.isprintable()
    assert len(headlines.summary(replace(REVIEW, environments=(found,)))) <= 300


@pytest.mark.parametrize("count", [0, 1, 3])
def test_errors_of_an_environment_are_counted_in_its_fold(count: int) -> None:
    error = Diagnostic("TRU1", Severity.WARNING, "Look.", Location("a.yaml"))
    body = body_of(replace(REVIEW, environments=(replace(PROD, diagnostics=(error,) * count),)))
    title = re.search(r"<summary>.. <b><code>prod</code></b>.*</summary>", body)
    assert title and ("warning" in title[0]) == bool(count)
