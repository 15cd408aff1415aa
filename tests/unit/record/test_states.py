"""What is recorded is read back as it was written."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from trueup.plan.recorded import RecordedResource, RecordedStack
from trueup.record import replays, states, updates
from trueup.record.events import Entry, Event, EventKind
from trueup.record.updates import StackUpdate
from trueup_stacks.core.resources import Address, StackId

STACK = StackId("dev", "churn", "model")
TEXTS = st.text(st.characters(exclude_categories=("Cs",)), max_size=12)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats(allow_nan=False, allow_infinity=False) | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=8,
)
NAMES = st.from_regex(r"[a-z][a-z0-9-]{0,6}", fullmatch=True)


def resources(names: st.SearchStrategy[str] = NAMES) -> st.SearchStrategy[RecordedResource]:
    address = st.builds(
        Address, st.just(STACK), st.sampled_from(["trueup:run:Run", "kubernetes:apps/v1:Deployment"]), names
    )
    flags = {n: st.booleans() for n in ("holds_data", "protect", "retain")}
    tuples = {n: st.lists(NAMES, unique=True).map(sorted).map(tuple) for n in ("metadata", "volatile")}
    maps = {n: st.dictionaries(TEXTS, VALUES, max_size=3) for n in ("properties", "outputs")}
    texts = dict.fromkeys(("origin", "digest", "fingerprint", "id", "reason"), TEXTS)
    status = st.sampled_from(["done", "held", "waiting", "failed"])
    return st.builds(RecordedResource, address=address, status=status, **flags, **tuples, **maps, **texts)


def stacks() -> st.SearchStrategy[RecordedStack]:
    by_address = st.lists(resources(), max_size=4).map(lambda found: {r.address: r for r in found})
    return st.builds(RecordedStack, st.just(STACK), TEXTS, TEXTS, TEXTS, by_address)


@given(stacks())
def test_a_stack_is_read_back_as_it_was(stack: RecordedStack) -> None:
    assert states.stack_of(states.load(states.dump(states.stack_json(stack)))) == stack


@given(stacks())
def test_all_of_a_stack_as_an_update_of_nothing_is_the_stack(stack: RecordedStack) -> None:
    files = updates.files_after([StackUpdate.whole(stack)], lambda _path: None)
    data = files[updates.stack_path(STACK)]
    assert data is not None
    assert states.stack_of(states.load(data)) == stack


class Held:
    """A tree in memory."""

    def __init__(self, stack: RecordedStack | None) -> None:
        self.data = {updates.stack_path(STACK): states.dump(states.stack_json(stack))} if stack else {}

    def read(self, path: str) -> bytes | None:
        return self.data.get(path)


def replayed(before: RecordedStack | None, after: RecordedStack, now: RecordedStack | None) -> RecordedStack:
    path = updates.stack_path(STACK)
    entry = Entry("e", "", 1, "demo", Event(EventKind.STEP, "dev"), {f"demo/{path}": "x"}, (), "a")
    trees: list[Any] = [Held(before), Held(after), Held(now)]
    data = replays.files(entry, *trees)[path]
    assert data is not None
    return states.stack_of(states.load(data))


@given(stacks(), stacks())
def test_a_change_replayed_on_what_it_was_made_on_is_the_same(before: RecordedStack, after: RecordedStack) -> None:
    assert replayed(before, after, before) == after


@given(stacks(), stacks(), stacks())
def test_a_replayed_change_keeps_what_it_did_not_touch(
    before: RecordedStack, after: RecordedStack, now: RecordedStack
) -> None:
    found = replayed(before, after, now).resources
    for address in {*before.resources, *after.resources, *now.resources}:
        touched = before.resources.get(address) != after.resources.get(address)
        expected = (after if touched else now).resources.get(address)
        assert found.get(address) == expected
