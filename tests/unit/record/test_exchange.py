"""Clones exchange their ledgers through a bare remote, and no entry of any is lost."""

from __future__ import annotations

import stat
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from trueup.record import exchange, verification
from trueup.record.events import Event, EventKind, LedgerError
from trueup.record.exchange import Exchanged
from trueup.record.ledger import REF, Ledger
from trueup.record.updates import ApprovalUpdate, StackUpdate
from trueup_stacks.core.resources import StackId

Git = Callable[..., str]
STACK = StackId("dev", "churn", "model")


@pytest.fixture
def remote(repository: Path, tmp_path: Path, git: Git) -> Path:
    git(tmp_path, "clone", "--quiet", "--bare", str(repository), "remote.git")
    return tmp_path / "remote.git"


@pytest.fixture
def clone(remote: Path, tmp_path: Path, git: Git) -> Callable[[str], Ledger]:
    def made(name: str) -> Ledger:
        git(tmp_path, "clone", "--quiet", str(remote), name)
        return Ledger(tmp_path / name, "demo", anchor=tmp_path / f"{name}.anchor")

    return made


def step(who: str) -> Event:
    return Event(EventKind.STEP, "dev", stack=str(STACK), details={"who": who}, actor=f"{who} <{who}@example.com>")


def names(ledger: Ledger) -> set[str]:
    return {a.name for a in ledger.recorded().stacks[STACK].resources}


def test_the_first_sync_pushes_and_a_second_does_nothing(
    clone: Callable[[str], Ledger], remote: Path, git: Git, update: Callable[..., StackUpdate]
) -> None:
    one = clone("one")
    entry = one.append(step("a"), update("a"))
    assert exchange.sync(one) == Exchanged(sent=1)
    assert git(remote, "rev-parse", REF) == entry.id
    assert exchange.sync(one) == Exchanged()


def test_what_both_recorded_is_in_both_afterwards(
    clone: Callable[[str], Ledger], update: Callable[..., StackUpdate]
) -> None:
    one, two = clone("one"), clone("two")
    one.append(step("a"), update("shared"), update("a"))
    exchange.sync(one)
    exchange.sync(two)
    one.append(step("b"), update("b", digest="one"))
    own = [two.append(step("c"), update("c")), two.append(step("d"), update("shared", digest="two"))]
    exchange.sync(one)
    done = exchange.sync(two)
    assert (done.received, done.replayed, done.sent) == (1, 2, 2)
    exchange.sync(one)
    assert one.head() == two.head()
    assert [e.event.details["who"] for e in one.entries(newest_first=False)] == ["a", "b", "c", "d"]
    assert names(two) == {"shared", "a", "b", "c"}
    found = {a.name: r.digest for a, r in two.recorded().stacks[STACK].resources.items()}
    assert (found["b"], found["shared"]) == ("one", "two")
    assert [e.replayed for e in two.entries()] == [own[1].id, own[0].id, "", ""]
    assert next(e.event.actor for e in two.entries()) == "d <d@example.com>", "who did it stays"
    for ledger in (one, two):
        report = verification.verify(ledger)
        assert (report.ok, report.anchored) == (True, True)


def test_ledgers_that_began_apart_are_joined(
    clone: Callable[[str], Ledger], update: Callable[..., StackUpdate]
) -> None:
    one, two = clone("one"), clone("two")
    one.append(step("a"), update("a"))
    two.append(step("b"), update("b"))
    exchange.sync(one)
    exchange.sync(two)
    assert names(two) == {"a", "b"}
    assert [e.sequence for e in two.entries()] == [2, 1]
    assert verification.verify(two).ok


def test_an_entry_of_another_workspace_stays_that_workspaces(
    clone: Callable[[str], Ledger], update: Callable[..., StackUpdate]
) -> None:
    one, two = clone("one"), clone("two")
    one.append(step("a"), update("a"))
    Ledger(two.git.repository, "other").append(step("b"), update("b"))
    exchange.sync(one)
    exchange.sync(two)
    assert names(two) == {"a"}
    assert names(two.of("other")) == {"b"}
    assert verification.verify(two).ok


def test_a_replayed_apply_spends_only_the_approvals_that_it_had(clone: Callable[[str], Ledger]) -> None:
    one, two = clone("one"), clone("two")
    one.append(Event(EventKind.APPROVED, "dev"), ApprovalUpdate("dev", "old", {"id": "old"}))
    exchange.sync(one)
    exchange.sync(two)
    two.append(Event(EventKind.APPLIED, "dev"))
    one.append(Event(EventKind.APPROVED, "dev"), ApprovalUpdate("dev", "new", {"id": "new"}))
    exchange.sync(one)
    exchange.sync(two)
    assert two.approvals("dev") == ({"id": "new"},)


@pytest.mark.slow
def test_clones_that_push_at_the_same_time_lose_nothing(
    clone: Callable[[str], Ledger], update: Callable[..., StackUpdate]
) -> None:
    ledgers = {name: clone(name) for name in ("one", "two", "three")}

    def work(name: str) -> None:
        for number in range(4):
            ledgers[name].append(step(f"{name}-{number}"), update(f"{name}-{number}"))
            exchange.sync(ledgers[name])

    with ThreadPoolExecutor() as pool:
        list(pool.map(work, ledgers))
    last = clone("last")
    expected = {f"{n}-{i}" for n in ledgers for i in range(4)}
    assert {e.event.details["who"] for e in last.entries()} == expected
    assert names(last) == expected
    assert verification.verify(last).ok


def test_a_refused_push_keeps_the_entries_for_the_next(
    clone: Callable[[str], Ledger], remote: Path, git: Git, update: Callable[..., StackUpdate]
) -> None:
    one = clone("one")
    hook = remote / "hooks/pre-receive"
    hook.write_text("#!/bin/sh\necho 'this branch is protected' >&2\nexit 1\n")
    hook.chmod(hook.stat().st_mode | stat.S_IXUSR)
    entry = one.append(step("a"), update("a"))
    with pytest.raises(LedgerError, match="protected") as refused:
        exchange.sync(one)
    assert "kept here" in str(refused.value)
    assert one.head() == entry.id
    hook.unlink()
    one.append(step("b"), update("b"))
    assert exchange.sync(one).sent == 2
    assert git(remote, "rev-parse", REF) == one.head()


def test_a_remote_that_is_not_there_is_said(clone: Callable[[str], Ledger], tmp_path: Path) -> None:
    one = clone("one")
    one.append(step("a"))
    with pytest.raises(LedgerError, match="cannot be fetched"):
        exchange.sync(one, str(tmp_path / "nowhere.git"))
    assert one.exists()
