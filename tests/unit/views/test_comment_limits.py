"""The plan's comment around every limit: whatever is planned, each body fits, is whole, and the summary is there."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from trueup.apply.outcome import PreviewStep, PropertyDiff, StackPreview
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
from trueup.views.comments import escaping, fitting, limits, markers, plan
from trueup.views.comments.blocks import Fence, Fold, Items, Paragraph, Table, pieces
from trueup.views.comments.details import LEVELS
from trueup.views.comments.limits import Limit, Unit, measure
from trueup.views.comments.values import Earlier, EnvironmentPlan, PullRequestPlan
from trueup_specs.core.diagnostics import Diagnostic, Severity
from trueup_specs.core.positions import Location
from trueup_specs.core.references import Key
from trueup_stacks.core.resources import Address, StackId

Problems = Callable[[str], list[str]]
NASTY = (
    "@mara fixes #1",
    "<!-- trueup:plan workspace=w part=1 -->",
    "```diff\n</details>",
    "| a | \\| `b` |",
    "![x](https://evil.example/p)",
    "🚀" * 40,
    "漢字 शब्द",
    "שלום \u202e",
    "long" * 300,
    "plain words of a sentence",
    "credit",
)
TEXTS = st.sampled_from(NASTY) | st.text(max_size=30)
NAMES = st.sampled_from(["risk", "churn", "a-b", *NASTY])
FEW = settings(
    deadline=None,
    max_examples=15,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
    phases=[Phase.explicit, Phase.reuse, Phase.generate],
)
"""No shrinking: a plan that is too long for a comment has many parts, and making it smaller takes minutes."""
CATEGORIES = st.sampled_from(list(Category))


@st.composite
def steps(draw: st.DrawFn, environment: str) -> Step:
    stack = StackId(environment, draw(st.sampled_from(["credit", "churn"])), draw(st.sampled_from(["data", "model"])))
    values = st.one_of(TEXTS, st.integers(), st.just(ABSENT), st.lists(TEXTS, max_size=3))
    changes = draw(st.lists(st.builds(PropertyChange, TEXTS, values, values), max_size=6))
    times = draw(st.sampled_from([1, 1, 40]))
    return Step(
        Address(
            stack, draw(st.sampled_from(["trueup:run:Run", "trueup:run:Gate", "aws:s3/bucket:Bucket"])), draw(NAMES)
        ),
        draw(st.sampled_from(list(Action))),
        draw(st.sampled_from(["Model/credit/risk", "Dataset/credit/a", "x"])),
        tuple(replace(c, path=f"{c.path}[{i}]") for i in range(times) for c in changes),
        reason=draw(TEXTS),
        direct=draw(st.booleans()),
        category=draw(CATEGORIES),
        holds_data=draw(st.booleans()),
    )


@st.composite
def environments(draw: st.DrawFn) -> EnvironmentPlan:
    name = draw(st.sampled_from(["dev", "prod", "europe-west"]))
    few = draw(st.lists(steps(name), max_size=5))
    many = draw(st.sampled_from([1, 1, 3, 12]))
    keys = [
        Key("Model", "credit", "risk"),
        Key("Dataset", "credit", "a"),
        *(Key("Dataset", "n", f"d{i}") for i in range(30)),
    ]
    changes = st.builds(
        SpecChange,
        st.sampled_from([str(k) for k in keys]),
        st.sampled_from(["added", "removed", "changed", "renamed"]),
        CATEGORIES,
        st.lists(TEXTS, max_size=5).map(tuple),
        TEXTS,
    )
    verdicts = st.builds(
        Verdict, NAMES, st.sampled_from(["advisory", "soft", "mandatory"]), st.booleans(), TEXTS, TEXTS
    )
    diagnostics = st.builds(
        Diagnostic,
        st.just("TRU0110"),
        st.sampled_from(list(Severity)),
        TEXTS,
        st.builds(Location, TEXTS, st.integers(0, 9)),
    )
    evidence = Evidence(
        runs=tuple(draw(st.lists(st.tuples(NAMES, st.none() | st.floats(0, 9e4)), max_size=3))),
        downstream=tuple(draw(st.lists(st.sampled_from([str(k) for k in keys]), max_size=4))) * many,
        drift=tuple(draw(st.lists(TEXTS, max_size=2))),
        verdicts=tuple(draw(st.lists(verdicts, max_size=3))) * many,
        approvals_required=draw(st.integers(0, 2)),
        approvers=tuple(draw(st.lists(NAMES, max_size=2))),
        unapplied=tuple(draw(st.lists(changes, max_size=2))) * many,
        cost=Cost(unknown=draw(TEXTS), notes=tuple(draw(st.lists(TEXTS, max_size=2))) * many),
    )
    preview = StackPreview(
        StackId(name, "credit", "data"),
        draw(st.booleans()),
        tuple(
            PreviewStep(s.address, "update", ("x",), (PropertyDiff("p|", "update", True, "a", s.reason),)) for s in few
        ),
        draw(TEXTS),
    )
    return EnvironmentPlan(
        Plan(
            "credit", name, "c" * 40, "t" * 40, tuple(few) * many,
            tuple(SealEntry("s", "u", "update", "p", 1, i) for i in range(len(few))),
            changes=tuple(draw(st.lists(changes, max_size=4))) * many,
            evidence=evidence,
        ),
        diagnostics=tuple(draw(st.lists(diagnostics, max_size=3))) * many,
        approved=tuple(draw(st.lists(TEXTS, max_size=2))),
        missing=tuple(draw(st.lists(TEXTS, max_size=2))),
        edges=tuple((a, keys[0]) for a in keys[1:]),
        preview=(preview,) if draw(st.booleans()) else (),
    )  # fmt: skip


REVIEWS = st.builds(
    PullRequestPlan,
    st.sampled_from(["credit", "ch ur--n>"]),
    st.lists(environments(), min_size=1, max_size=3).map(tuple),
    st.just("a" * 40),
    st.just("b" * 40),
    NAMES,
    earlier=st.lists(st.builds(Earlier, st.just("d" * 40), TEXTS), max_size=12).map(tuple),
)
LIMITS = st.one_of(
    st.builds(Limit, st.integers(limits.SMALLEST, 40_000), st.sampled_from(list(Unit))),
    st.sampled_from(list(limits.BY_FORGE.values())),
)


@FEW
@given(REVIEWS, LIMITS)
def test_every_body_fits_and_is_whole(problems: Problems, review: PullRequestPlan, limit: Limit) -> None:
    bodies = plan.bodies(review, limit)
    assert 1 <= len(bodies) <= fitting.MOST_PARTS
    for number, body in enumerate(bodies, 1):
        assert measure(body, limit.unit) <= limit.size
        assert markers.parse(body) == markers.Marker("plan", review.workspace, part=number)
        assert body.count("<!-- trueup:plan") == 1
        assert problems(body)[:2] == []
    assert bodies[0].startswith(f"{plan.marker(review.workspace)}\n## ")
    assert all(e.plan.environment in bodies[0].partition("<details>")[0] for e in review.environments)
    assert bodies[0].rstrip().rpartition("\n")[2].startswith('<!-- trueup:data {"commit":"aaaa')
    assert [b.count("trueup:data") for b in bodies] == [1] + [0] * (len(bodies) - 1)
    for line in (
        "**Where**",
        "**Risk**",
        *("**Approvals**", "**Cost**") * any(e.plan.steps for e in review.environments),
    ):
        assert sum(line in text for text in bodies[0].split("\n")[:10]) == 1


def big(count: int, text: str = "value") -> PullRequestPlan:
    """A plan of `count` steps, a tenth of which delete, each with twenty properties."""
    stack = StackId("prod", "credit", "data")
    changes = tuple(PropertyChange(f"tags.t{i}", f"{text} old {i}", f"{text} new {i}") for i in range(20))
    made = tuple(
        Step(
            Address(stack, "aws:s3/bucket:Bucket", f"bucket-{n}"),
            Action.DELETE if n % 10 == 0 else Action.UPDATE,
            f"ObjectStore/credit/bucket-{n}",
            () if n % 10 == 0 else changes,
            category=Category.METADATA if n % 10 > 7 else Category.BREAKING,
        )
        for n in range(count)
    )
    edges = tuple(
        (Key("ObjectStore", "credit", f"bucket-{n}"), Key("Dataset", "credit", f"d{n}")) for n in range(count)
    )
    return PullRequestPlan(
        "credit", (EnvironmentPlan(Plan("credit", "prod", "", "", made, ()), edges=edges),), "a" * 40
    )


@pytest.mark.parametrize("unit", list(Unit))
@pytest.mark.parametrize("text", ["value", "🚀 漢字", "`|` <b>"])
def test_a_limit_is_used_and_never_passed(problems: Problems, unit: Unit, text: str) -> None:
    review = big(60, text)
    whole = measure(plan.bodies(review, limits.UNLIMITED)[0], unit)
    assert whole > 60_000
    for size in (whole, whole - 1, whole // 2, whole // 4, limits.SMALLEST):
        bodies = plan.bodies(review, Limit(size, unit))
        assert [measure(b, unit) <= size for b in bodies] == [True] * len(bodies)
        assert [problems(b) for b in bodies] == [[]] * len(bodies)
        assert (bodies[0] == plan.bodies(review, limits.UNLIMITED)[0]) == (size == whole)


def test_what_matters_least_is_shortened_first() -> None:
    """The graph goes before properties, properties of updates before whole steps, and no deletion goes at all."""
    sizes = [len(fitted(level)) for level in LEVELS]
    assert sizes == sorted(sizes, reverse=True)
    review, shown = big(120), []
    for size in range(220_000, 20_000, -20_000):
        (body,) = plan.bodies(review, Limit(size))
        shown.append(("flowchart" in body, body.count("+     tags"), body.count("! update")))
        assert body.count("- delete") == 12
    assert sorted(shown, reverse=True) == shown
    assert shown[0][0] and shown[0][1] == 108 * 20
    assert not shown[-1][0] and shown[-1][1] < 108 * 4


def fitted(level: Any) -> str:
    review = big(120)
    return fitting.whole("", plan._pieces(review, level, lambda _file, _line: None), "", limits.UNLIMITED) or ""


def test_what_one_comment_cannot_hold_goes_on_in_the_next(problems: Problems) -> None:
    review = big(700)
    bodies = plan.bodies(review, limits.BITBUCKET)
    assert len(bodies) == 3 and "_The plan goes on in 2 more comments below._" in bodies[0]
    assert "### Trueup plan, part 2 of 3" in bodies[1] and "(continued)</summary>" in bodies[1]
    assert [problems(b) for b in bodies] == [[]] * 3
    found = {m for b in bodies for m in re.findall(r"delete aws:s3/bucket:Bucket (bucket-\d+)", b)}
    assert found == {f"bucket-{n}" for n in range(0, 700, 10)}


def test_what_no_number_of_comments_holds_is_counted(problems: Problems) -> None:
    bodies = plan.bodies(big(700), Limit(limits.SMALLEST))
    assert len(bodies) == fitting.MOST_PARTS
    assert re.search(
        r"_\d+ more lines found no room here: the summary of the job and `trueup plan` show them\._", bodies[-1]
    )
    assert [problems(b) for b in bodies] == [[]] * len(bodies)
    assert len(plan.bodies(big(700), Limit(limits.SMALLEST), most=1)) == 1


def test_a_limit_that_holds_no_summary_is_refused() -> None:
    with pytest.raises(ValueError, match="cannot hold the summary"):
        plan.bodies(big(1), Limit(500))


def test_the_summary_of_a_job_has_everything() -> None:
    body = plan.job_summary(big(300))
    assert measure(body, Unit.UTF8) <= 1_048_576
    assert body.count("- delete") == 30
    assert measure(plan.check_summary(big(300, "🚀")), Unit.UTF8) <= 65_535


LINES = st.lists(TEXTS.map(lambda t: f"! {escaping.visible(t)}"), max_size=30).map(tuple)
BLOCKS = st.recursive(
    st.one_of(
        st.builds(Paragraph, st.just("a paragraph")),
        st.builds(Items, st.integers(0, 60).map(lambda n: tuple(f"item {i}" for i in range(n)))),
        st.builds(Fence, st.just("diff"), LINES),
        st.integers(0, 60).map(lambda n: Table(("a", "b"), tuple((f"row {i}", "`x`") for i in range(n)))),
    ),
    lambda inner: st.builds(Fold, st.just("a fold"), st.lists(inner, max_size=4).map(tuple), st.booleans()),
    max_leaves=12,
)


@FEW
@given(st.lists(BLOCKS, max_size=5), st.integers(300, 4000), st.sampled_from(list(Unit)))
def test_divided_blocks_are_closed_and_in_order(problems: Problems, found: list[Any], size: int, unit: Unit) -> None:
    lines = list(pieces(found))
    bodies = fitting.divided(
        lambda n, _: f"## part {n}\n", lines, "\n_end_\n", Limit(size, unit), lambda n: f"\n_left {n}_\n", 9
    )
    shown = "\n".join(bodies)
    assert all(measure(b, unit) <= size and problems(b) == [] for b in bodies)
    assert bodies[0].endswith("\n_end_\n")
    left = re.search(r"_left (\d+)_", bodies[-1])
    cut = shown.count("too long for a comment")
    written = [p.text for p in lines][: len(lines) - int(left[1]) if left else None]
    place, missed = 0, 0
    for text in written:
        at = shown.find(f"{text}\n", place)
        missed, place = (missed + 1, place) if at < 0 else (missed, at)
    assert missed <= cut
