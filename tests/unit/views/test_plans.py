"""How a step and its changes read in the terminal and in a pull request."""

from __future__ import annotations

from trueup.apply.outcome import Event
from trueup.plan.values import Action, Category, Evidence, Plan, PropertyChange, SpecChange, Step
from trueup.views import markdown, plans
from trueup.views.outcomes import event_line
from trueup_stacks.core.resources import Address, StackId

STACK = StackId("dev", "credit", "model")
RUN = Address(STACK, "trueup:run:Run", "risk")


def known_later(fingerprint: str) -> dict[str, object]:
    return {"$output": {"of": str(RUN), "property": "modelVersion", "fingerprint": fingerprint}}


STEP = Step(
    Address(STACK, "trueup:run:Gate", "risk"),
    Action.UPDATE,
    "Model/credit/risk",
    (
        PropertyChange("fingerprint", "0" * 64, "1" * 64),
        PropertyChange("candidate.version", known_later("a"), known_later("b")),
        PropertyChange("candidate.fingerprint", "108459d20877" + "5" * 52, "958dda04c75e" + "9" * 52),
        PropertyChange("source.url", "home:sources/3b12e1f52003321a29604b234a65cf9958992711/a.csv", "home:a.csv"),
    ),
    reason="its spec changed",
    expected_seconds=26,
)


def test_an_output_that_will_be_another_is_named_once() -> None:
    lines = list(plans.step_lines(STEP, detailed=False))
    assert lines == [
        "    ~ trueup:run:Gate risk  (its spec changed; took 26 s last time)",
        "        candidate.version: (modelVersion of risk, known after it is applied)",
        '        candidate.fingerprint: "108459d20877…" → "958dda04c75e…"',
        '        source.url: "home:sources/3b12e1f52003…/a.csv" → "home:a.csv"',
    ]


def test_every_change_is_there_when_asked_for() -> None:
    assert '        fingerprint: "000000000000…" → "111111111111…"' in list(plans.step_lines(STEP, detailed=True))


def test_a_reviewer_reads_the_same_of_a_step() -> None:
    text = markdown.comment(Plan("credit", "dev", "c" * 40, "t" * 40, (STEP,), ()))
    assert "! update trueup:run:Gate risk  (its spec changed; took 26 s last time)" in text
    assert "!     candidate.version: (modelVersion of risk, known after it is applied)\n" in text
    assert "!     fingerprint" not in text


def test_what_is_merged_and_not_applied_is_one_list() -> None:
    changes = (
        SpecChange("Model/credit/risk", "added", Category.BREAKING),
        SpecChange("Endpoint/credit/risk", "changed", Category.METADATA, ("metadata.owner",)),
    )
    text = markdown.comment(Plan("credit", "dev", "", "", (), (), evidence=Evidence(unapplied=changes)))
    assert "\n- added `Model/credit/risk`\n- changed `Endpoint/credit/risk` `metadata.owner`\n\n</details>" in text


def test_a_run_that_takes_the_place_of_another_is_called_so() -> None:
    line = event_line(Event(STACK, "finished", RUN, "replace", seconds=34))
    assert line == "  ✓ trueup:run:Run risk run anew (34 s)"
