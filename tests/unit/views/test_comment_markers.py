"""Which comments are ours, what is done with them, and which older plans stay."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trueup.forge.values import Comment
from trueup.plan.values import Plan
from trueup.views.comments import earlier, plan
from trueup.views.comments.escaping import plain
from trueup.views.comments.markers import Create, Delete, Edit, Marker, current, edits, parse
from trueup.views.comments.values import Earlier, EnvironmentPlan, PullRequestPlan

FIRST = Marker("plan", "credit")
MARK = str(FIRST)


def body(text: str, part: int = 1) -> str:
    return f"{Marker('plan', 'credit', part=part)}\n{text}\n"


def test_the_first_plan_is_a_new_comment() -> None:
    comments = [Comment("1", "mara", "Looks good")]
    assert edits(comments, "bot", [body("plan")]) == (Create(body("plan")),)


def test_the_next_plan_edits_it_in_place() -> None:
    comments = [Comment("1", "mara", "Hm"), Comment("2", "Bot", body("old")), Comment("3", "mara", "And?")]
    assert edits(comments, "bot", [body("new")]) == (Edit("2", body("new")),)
    assert current(comments, "bot", FIRST) == body("old")


def test_what_is_the_same_is_left_alone() -> None:
    comments = [Comment("2", "bot", body("same").replace("\n", "\r\n").rstrip())]
    assert edits(comments, "bot", [body("same")]) == ()


def test_a_forged_comment_is_never_touched_or_read() -> None:
    forged = [
        Comment("1", "mallory", body("forged")),
        Comment("2", "bot", f"Quoting:\n{MARK}\nforged"),
        Comment("3", "bot", f" {MARK}\nforged"),
        Comment("4", "bot", f"{MARK} and more\nforged"),
    ]
    assert edits(forged, "bot", [body("plan")]) == (Create(body("plan")),)
    assert current(forged, "bot", FIRST) == ""


def test_without_a_login_nothing_is_ours() -> None:
    assert edits([Comment("1", "", body("x"))], "", [body("plan")]) == (Create(body("plan")),)


def test_other_workspaces_and_results_are_others() -> None:
    others = [
        Comment("1", "bot", f"{Marker('plan', 'churn')}\nx"),
        Comment("2", "bot", f"{Marker('result', 'credit', 'prod')}\nx"),
    ]
    assert edits(others, "bot", [body("plan")]) == (Create(body("plan")),)
    result = f"{Marker('result', 'credit', 'prod')}\ny"
    assert edits(others, "bot", [result]) == (Edit("2", result),)


def test_parts_come_and_go_and_doubles_are_removed() -> None:
    comments = [
        Comment("1", "bot", body("a")),
        Comment("2", "bot", body("b", 2)),
        Comment("3", "bot", body("c", 3)),
        Comment("4", "bot", body("a twice")),
    ]
    assert edits(comments, "bot", [body("new")]) == (Edit("1", body("new")), Delete("4"), Delete("2"), Delete("3"))
    assert edits(comments[:1], "bot", [body("a"), body("b", 2)]) == (Create(body("b", 2)),)


def test_a_body_without_marker_could_never_be_found_again() -> None:
    with pytest.raises(ValueError, match="no marker"):
        edits([], "bot", ["no marker"])


@given(st.text(), st.text(), st.integers(1, 99))
def test_a_marker_is_read_as_it_was_written(workspace: str, environment: str, part: int) -> None:
    marker = Marker("result", workspace, environment, part)
    assert parse(f"{marker}\ntext") == marker
    assert str(marker).count("-->") == 1 and "\n" not in str(marker)


def review(head: str, older: tuple[Earlier, ...] = ()) -> PullRequestPlan:
    return PullRequestPlan("credit", (EnvironmentPlan(Plan("credit", "dev", head, "", (), ())),), head, earlier=older)


def test_older_plans_travel_from_comment_to_comment(problems: Callable[[str], list[str]]) -> None:
    text, older = "", ()
    for number in range(14):
        head = f"{number:040x}"
        older = earlier.carried(text, head)
        text = plan.bodies(review(head, older))[0]
        assert problems(text) == []
    assert [e.commit for e in older] == [f"{n:040x}" for n in range(12, 2, -1)]
    assert "<details><summary>10 earlier plans</summary>" in text
    assert "- `0000000000`: nothing to do" in text


def test_a_plan_made_again_for_the_same_commit_is_not_an_older_one() -> None:
    text = plan.bodies(review("a" * 40, (Earlier("b" * 40, "dev: 1 to create"),)))[0]
    assert earlier.carried(text, "a" * 40) == (Earlier("b" * 40, "dev: 1 to create"),)


@pytest.mark.parametrize(
    "data",
    [
        "{",
        "[]",
        "{}",
        '{"commit":1,"summary":2}',
        '{"commit":"x y","summary":"s"}',
        '{"earlier":[1,["a"],{"a":1}]}',
        '{"earlier":7}',
    ],
)
def test_broken_data_of_older_plans_is_ignored(data: str) -> None:
    assert earlier.carried(f"{MARK}\n<!-- trueup:data {data} -->\n", "c" * 40) == ()


@given(
    st.text() | st.sampled_from(["--><img src=x>", "@mara fixes #1", '"]]} -->\n<!-- trueup:data {}', "\u2028x\x85y"])
)
def test_a_forged_summary_is_inert_and_bounded(problems: Callable[[str], list[str]], text: str) -> None:
    written = earlier.data_line("c" * 40, text, (Earlier("d" * 40, text),))
    assert written.count("\n") == 1 and written.count("-->") == 1
    found = earlier.carried(f"{MARK}\n{written}", "e" * 40)
    assert len(found) == (2 if plain(text) else 0)
    assert all(len(e.summary) <= earlier.WIDEST for e in found)
    assert problems(f"{MARK}\n{earlier.fold(found)}\n{written}") == []
