"""The loop's decision: laws for any state, and the cases that people ask about."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from trueup.reconcile import backoff, memory
from trueup.reconcile.decisions import decide
from trueup.reconcile.values import ACTS, Action, Decision, Desired, Memory, Observed, Recorded, Trouble

NOW = 1_800_000_000.0
DRIFT = Observed(("trueup:data:Table applications (changed: sourceFingerprint)",), "d1")
NEW = Desired("c" * 40, "apply:t1", changes=2)
SAME = Desired("c" * 40, "apply:t1")

sentences = st.text(min_size=1, max_size=20)
troubles = st.builds(Trouble, st.integers(0, 40), st.floats(NOW - 10_000, NOW, allow_nan=False), st.just("It failed."))
desires = st.builds(
    Desired,
    st.just("c" * 40),
    st.sampled_from(["apply:t1", "apply:t2"]),
    broken=st.one_of(st.just(""), sentences),
    paused=st.booleans(),
    changes=st.integers(0, 3),
    resumes=st.integers(0, 2),
    refusals=st.lists(sentences, max_size=2).map(tuple),
    drift=st.sampled_from(["report", "heal"]),
    unhealable=st.lists(sentences, max_size=1).map(tuple),
)
sights = st.sampled_from([Observed(), DRIFT, Observed(("trueup:registry:Alias risk (gone)",), "d2")])
memories = st.builds(
    Memory,
    failures=st.dictionaries(st.sampled_from(["apply:t1", "apply:t2", "heal:d1", "heal:d2"]), troubles),
    heals=st.dictionaries(st.sampled_from(["d1", "d2"]), troubles),
    reported=st.sampled_from(["", "d1", "d2"]),
)


def decided(desired: Desired, observed: Observed = Observed(), known: Memory = Memory(), now: float = NOW) -> Decision:  # noqa: B008
    return decide("prod", desired, Recorded("a" * 40), observed, now, known)


@given(desires, sights, memories)
def test_nothing_is_done_that_may_not_be(desired: Desired, observed: Observed, known: Memory) -> None:
    found = decided(desired, observed, known)
    assert found.reasons and all(found.reasons)
    if desired.paused:
        assert found.action is Action.PAUSED
    if found.action is Action.APPLY:
        assert not desired.broken and not desired.refusals
        assert desired.changes or desired.resumes
    if found.action is Action.HEAL:
        assert desired.drift == "heal" and observed.drifted and not desired.unhealable
    if found.action in ACTS:
        trouble = known.failures.get(found.key)
        assert trouble is None or trouble.last + backoff.MOMENT * (1 - backoff.JITTER) / 10 <= NOW
    else:
        assert not found.acts


@given(desires, sights, memories)
def test_the_same_values_give_the_same_decision(desired: Desired, observed: Observed, known: Memory) -> None:
    assert decided(desired, observed, known) == decided(desired, observed, known)


@given(desires, sights, memories)
def test_a_wait_ends(desired: Desired, observed: Observed, known: Memory) -> None:
    """Whatever waits for a time acts at that time, if nothing else changed."""
    found = decided(desired, observed, known)
    if found.action is Action.WAIT:
        assert found.again > NOW
        later = decided(desired, observed, known, found.again + 1)
        assert later.acts or later.again > found.again + 1


@given(desires, sights, memories)
def test_it_comes_to_rest(desired: Desired, observed: Observed, known: Memory) -> None:
    """Once everything that the decision asks for is so, there is nothing to do."""
    rest = replace(desired, broken="", paused=False, changes=0, resumes=0, refusals=())
    assert decided(rest, Observed(), known).action is Action.NOTHING


def test_a_change_is_applied_and_names_the_commit() -> None:
    found = decided(NEW)
    assert (found.action, found.key) == (Action.APPLY, "apply:t1")
    assert found.reasons == ("cccccccccc has 2 changes to apply.",)


def test_a_broken_commit_leaves_what_is_applied_and_still_heals() -> None:
    broken = replace(SAME, broken="model.yaml:3: TRU0103 unknown field", drift="heal")
    found = decided(broken)
    assert found.action is Action.BROKEN
    assert "aaaaaaaaaa stays applied" in found.reasons[0] and "TRU0103" in found.reasons[0]
    healing = decided(broken, DRIFT)
    assert healing.action is Action.HEAL
    assert any("TRU0103" in reason for reason in healing.reasons)


def test_what_waits_for_an_approval_does_not_stop_healing() -> None:
    asks = replace(NEW, refusals=("Two approvals are missing.",), drift="heal")
    assert decided(asks).action is Action.REFUSED
    assert decided(asks, DRIFT).action is Action.HEAL


def test_drift_is_reported_once_and_again_when_it_is_another() -> None:
    assert decided(SAME, DRIFT).action is Action.REPORT
    assert decided(SAME, DRIFT, Memory(reported="d1")).action is Action.NOTHING
    assert decided(SAME, DRIFT, Memory(reported="d0")).action is Action.REPORT


def test_a_failure_is_tried_again_later_and_another_commit_at_once() -> None:
    known = memory.failed(Memory(), "apply:t1", NOW, "The port is taken.")
    found = decided(NEW, known=known)
    assert found.action is Action.WAIT
    assert "The port is taken." in found.reasons
    assert backoff.FIRST * 0.8 <= found.again - NOW <= backoff.FIRST * 1.2
    assert decided(NEW, known=known, now=found.again + 0.1).action is Action.APPLY
    assert decided(replace(NEW, key="apply:t2"), known=known).action is Action.APPLY


def test_the_circuit_opens_after_repeated_failures_and_closes_with_a_success() -> None:
    known = Memory()
    for _ in range(backoff.BREAKS):
        known = memory.failed(known, "apply:t1", NOW, "It failed.")
    found = decided(NEW, known=known)
    assert found.again - NOW >= backoff.REST * (1 - backoff.JITTER)
    assert "tried once in 30 min" in found.reasons[0]
    trial = decided(NEW, known=known, now=found.again + 1)
    assert trial.action is Action.APPLY, "one trial"
    known = memory.failed(memory.begin(known, trial.key), trial.key, found.again + 1, "It failed.")
    assert decided(NEW, known=known, now=found.again + 2).action is Action.WAIT, "and rest again"
    assert decided(NEW, known=memory.succeeded(known, "apply:t1"), now=found.again + 2).action is Action.APPLY


def test_drift_that_comes_back_again_and_again_is_healed_more_seldom() -> None:
    heals, known, now = replace(SAME, drift="heal"), Memory(), NOW
    for _ in range(backoff.FLAPS):
        assert decided(heals, DRIFT, known, now).action is Action.HEAL
        known, now = memory.healed(known, "d1", now), now + 60
    known = memory.healed(known, "d1", now)
    found = decided(heals, DRIFT, known, now + 1)
    assert found.action is Action.WAIT
    assert any("came back" in reason for reason in found.reasons)
    assert decided(heals, DRIFT, known, now + 2 * backoff.QUIET + backoff.REST).action is Action.HEAL


def test_a_run_that_goes_on_is_no_failure() -> None:
    known = memory.postponed(Memory(), "apply:t1", NOW, "Waiting: the run goes on.")
    found = decided(replace(SAME, resumes=1), known=known)
    assert found.action is Action.WAIT and "goes on" in found.reasons[0]
    assert decided(replace(SAME, resumes=1), known=known, now=NOW + 2 * backoff.MOMENT).action is Action.APPLY


def test_a_kill_counts_as_one_failure() -> None:
    killed = memory.recovered(memory.begin(Memory(), "apply:t1"), NOW)
    assert killed.failures["apply:t1"].count == 1 and not killed.begun
    assert memory.recovered(killed, NOW) == killed
    assert memory.stopped(memory.begin(Memory(), "apply:t1")) == Memory(), "an asked-for end counts as none"


@given(st.integers(0, 100), st.text(max_size=10))
def test_waits_are_bounded_and_reproducible(count: int, seed: str) -> None:
    found = backoff.delay(count, seed)
    assert found == backoff.delay(count, seed)
    assert backoff.FIRST * (1 - backoff.JITTER) <= found <= backoff.REST * (1 + backoff.JITTER)
    if 0 < count < backoff.BREAKS - 1:
        assert found < backoff.delay(count + 2, seed), "later failures wait longer, jitter and all"


def test_loops_that_failed_together_do_not_come_back_together() -> None:
    assert len({backoff.delay(3, f"environment-{n}") for n in range(20)}) == 20
