"""What an apply came to, and the pull requests that Trueup opens, as a reader sees them."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from trueup.apply.application import Blocked, Outcome
from trueup.apply.outcome import StackResult, StepResult
from trueup.forge.values import State
from trueup.views.comments import checks, limits, proposals, results
from trueup.views.comments.limits import Limit, Unit, measure
from trueup.views.comments.markers import Marker, parse
from trueup.views.comments.proposals import Data, Promotion, Rollback
from trueup.views.comments.results import Result
from trueup_stacks.core.resources import Address, StackId

Problems = Callable[[str], list[str]]
STACK = StackId("prod", "credit", "model")
GATE = Address(STACK, "trueup:run:Gate", "risk")
RUN = Address(STACK, "trueup:run:Run", "risk")
FEW = settings(deadline=None, max_examples=8, phases=[Phase.explicit, Phase.reuse, Phase.generate])
NASTY = st.sampled_from(
    [
        "Fixes GH-7 and https://forge.example/acme/specs/issues/1",
        "@mara fixes #1",
        "<img src=x>",
        "a|b",
        "```",
        "![x](https://evil.example)",
        "/close\n/merge",
        "🚀" * 30,
        "x" * 900,
    ]
)


def applied(*steps: StepResult, error: str = "", blocked: tuple[Blocked, ...] = ()) -> Outcome:
    not_ready = {s.address: "the run goes on" for s in steps if s.status == "not-ready"}
    return Outcome(
        (StackResult(STACK, not error, steps, not_ready=not_ready, error=error, seconds=12.0),), blocked, 14.0
    )


def test_a_result_says_what_was_done_where_it_answers_and_what_proves_it(problems: Problems) -> None:
    outcome = applied(StepResult(RUN, "replace", "done", seconds=9.0), StepResult(GATE, "update", "done", seconds=1.0))
    passed = {"acceptedVersion": 4, "evidence": [{"verdict": "pass", "text": "roc_auc 0.91 is at least 0.9 (n=400)"}]}
    result = Result(
        "credit", "prod", "done", "c" * 40, outcome, gates={GATE: passed}, approvals=("mara", "@tomas"),
        urls={"churn": "http://127.0.0.1:8080/churn"}, entry="e" * 40, job="https://forge.example/jobs/7",
    )  # fmt: skip
    (body,) = results.bodies(result)
    assert problems(body.replace("[log of the job](https://forge.example/jobs/7)", "")) == []
    assert body.startswith(f"{Marker('result', 'credit', 'prod')}\n## ✅ Trueup: applied to `prod`\n")
    assert "**Done**: 1 run anew, 1 updated" in body and "**Approved by**: mara, `@tomas`" in body
    assert "| ✅ pass | `roc_auc` 0.91 is at least 0.9 `(n=400)` |" in body
    assert "| `churn` | `http://127.0.0.1:8080/churn` |" in body and "`trueup audit show eeeeeeeeeeeeeeee`" in body
    assert "[log of the job](https://forge.example/jobs/7)" in body


def test_a_held_version_says_which_stays_in_use(problems: Problems) -> None:
    outputs = {
        "candidateVersion": 5,
        "acceptedVersion": 4,
        "evidence": [{"verdict": "fail", "text": "0.80 is below 0.9"}],
    }
    (body,) = results.bodies(Result("credit", "prod", "held", result=applied(), held={GATE: outputs}))
    assert problems(body) == []
    assert (
        "version `5` of `risk` did not pass its gates; version `4` stays in use." in body
        and "| ❌ fail | 0.80 is below 0.9 |" in body
    )


def test_a_failure_is_shown_with_what_was_not_tried(problems: Problems) -> None:
    other = StackId("prod", "credit", "serving")
    outcome = applied(
        StepResult(RUN, "update", "failed", "boom"),
        error="boom: @mara\n/close",
        blocked=(Blocked(other, "it reads the model"),),
    )
    (body,) = results.bodies(Result("credit", "prod", "partly", result=outcome))
    assert problems(body) == []
    assert "## ❌ Trueup: applied to `prod` in part" in body and "  boom: @mara\n  /close\n" in body
    assert "- Not tried: `prod.credit.serving`, since it reads the model" in body and "FAILED  boom" in body


def test_a_denied_apply_says_what_is_missing(problems: Problems) -> None:
    (body,) = results.bodies(
        Result("credit", "prod", "denied", refusals=("2 of 3 effects are not approved by 1 of team risk.",))
    )
    assert problems(body) == []
    assert "not applied to `prod`" in body and "- ⛔ 2 of 3 effects are not approved by 1 of team risk." in body
    assert "nothing was changed" in body


def test_a_waiting_run_is_named(problems: Problems) -> None:
    (body,) = results.bodies(
        Result("credit", "prod", "waiting", result=applied(StepResult(RUN, "create", "not-ready")))
    )
    assert problems(body) == []
    assert "⏳ `risk` (`trueup:run:Run`) is not ready: the run goes on" in body and "NOT-READY" in body


@pytest.mark.parametrize("address", ["javascript:alert(1)", "https://x/)[y](z", "http://x", "https://x/<b>", ""])
def test_only_a_plain_address_of_a_job_is_a_link(address: str) -> None:
    assert "](" not in results.bodies(Result("credit", "prod", "done", "c" * 40, job=address))[0]


@FEW
@given(NASTY, st.integers(limits.SMALLEST, 30_000), st.sampled_from(list(Unit)), st.sampled_from(list(results.SAID)))
def test_any_result_fits_and_is_inert(problems: Problems, text: str, size: int, unit: Unit, said: str) -> None:
    steps = tuple(StepResult(Address(STACK, "t", f"{text}{n}"), "create", "failed", text) for n in range(300))
    held = {GATE: {"candidateVersion": text, "evidence": [{"verdict": text, "text": text}] * 50}}
    result = Result(
        "credit",
        "prod",
        said,
        "c" * 40,
        applied(*steps, error=f"{text}\n" * 50),
        held,
        held,
        (text,) * 3,
        (text,) * 3,
        {text: text},
        text,
    )
    bodies = results.bodies(result, Limit(size, unit))
    for number, body in enumerate(bodies, 1):
        assert measure(body, unit) <= size and problems(body)[:2] == []
        assert parse(body) == Marker("result", "credit", "prod", number)
    state, status = checks.result_status(result)
    assert len(status) <= 140 and (state is State.SUCCESS) == (said in ("done", "nothing"))
    assert measure(results.job_summary(result), Unit.UTF8) <= limits.JOB_SUMMARY.size


PROMOTION = Promotion(
    "Model/credit/risk", 5, "dev", "prod", 4, {"roc_auc": 0.913, "brier": 0.1}, {"roc_auc": 0.9},
    ({"verdict": "pass", "text": "roc_auc is better by 0.013, at 95% confidence"},), ("error rate 0.1% over 1.0 h",),
    (Data("Dataset/credit/loans", "7", "9f86d081884c7d65"),), "a" * 40, "b" * 40, ("mara",), 7300.0, "2h", "e" * 40, "model.yaml",
)  # fmt: skip


def test_a_promotion_carries_its_evidence(problems: Problems) -> None:
    body = proposals.promotion_body(PROMOTION)
    assert problems(body) == []
    assert proposals.promotion_title(PROMOTION) == "Promote Model/credit/risk version 5 to prod"
    assert "version 5 goes on from `dev` to `prod`**, where version 4 is in use" in body
    assert "| `roc_auc` | 0.913 | 0.9 | +0.013 |" in body and "| `brier` | 0.1 | - | - |" in body
    assert "| pass | `roc_auc` is better by 0.013, at 95% confidence |" in body and "error rate 0.1% over 1.0 h" in body
    assert "| `Dataset/credit/loans` | `7` | `9f86d081884c7d65` |" in body and "Approved there by `mara`" in body
    assert "served in `dev` for 2.0 h; `promotion.soak` asks for `2h`" in body
    assert "`trueup audit blame Model/credit/risk --env dev`" in body and "`trueup audit verify` proves it" in body


def test_a_rollback_says_what_is_undone_and_why(problems: Problems) -> None:
    rollback = Rollback(
        "prod",
        "c" * 40,
        "b" * 40,
        (("c" * 40, "Faster, fixes #12 @mara"),),
        ("Model/credit/risk",),
        "errors | rise",
        "tomas",
        True,
        "e" * 40,
    )
    body = proposals.rollback_body(rollback)
    assert problems(body) == []
    assert proposals.rollback_title(rollback) == "Roll prod back to bbbbbbbbbb"
    assert (
        "goes back to the specs of `bbbbbbbbbb`" in body and "break-glass" in body and "- Asked for by `tomas`" in body
    )
    assert "| `cccccccccc` | `Faster, fixes # 12 @ mara` |" in body and "- `Model/credit/risk`" in body


@FEW
@given(NASTY, st.integers(limits.SMALLEST, 30_000))
def test_any_proposal_fits_and_is_inert(problems: Problems, text: str, size: int) -> None:
    promotion = Promotion(text, 1, text, text, 2, dict.fromkeys([text, "x"], 1.0), {}, ({"verdict": text, "text": text},) * 300,
                          (text,) * 99, (Data(text, text, text),) * 99, text, text, (text,) * 99, 1.0, text, text, text)  # fmt: skip
    rollback = Rollback(text, text, text, ((text, text),) * 300, (text,) * 300, text, text, True, text)
    for body in (proposals.promotion_body(promotion, Limit(size)), proposals.rollback_body(rollback, Limit(size))):
        assert len(body) <= size and problems(body)[:2] == []
        assert not re.search(r"[@#]\w|GH-\d|://", re.sub(r"&#\d+;", "", body)), "a squash makes a commit message of it"
    assert "\n" not in proposals.promotion_title(promotion) + proposals.rollback_title(rollback)
