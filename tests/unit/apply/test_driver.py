"""`up`, `preview`, `refresh` and `destroy` of stacks through a real Pulumi."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from trueup.apply.pulumi import DriverError
from trueup.provider.component import UNKNOWN
from trueup_stacks.core.resources import Address, Options, Resource, Secret, Stack, StackId
from trueup_stacks.program import MissingUpstream

pytestmark = pytest.mark.slow
STACK = StackId("dev", "churn", "model")


def none(reference: Secret) -> str:
    raise AssertionError(f"no secret was expected, and {reference} was asked for")


def stack_of(*resources: Resource) -> Stack:
    return Stack(resources[0].address.stack if resources else STACK, resources)


def things(home: Path) -> dict[str, Any]:
    return {p.stem: json.loads(p.read_text())["inputs"] for p in (home / "things").glob("*.json")}


def actions(result: Any) -> dict[str, str]:
    return {s.address.name: s.action for s in result.changed}


@pytest.mark.capability("model-development/infrastructure-automation", by="trueup_stacks.program:program")
def test_up_creates_what_the_stack_says_and_a_second_one_changes_nothing(driver: Any, home: Path, thing: Any) -> None:
    first = thing("first", 1)
    second = thing("second", first.output("shout"), after=(first,))
    result = driver.up(stack_of(second, first), {}, none)
    assert result.ok, result.error
    assert things(home) == {"first": {"value": 1}, "second": {"value": "1!"}}
    assert result.outputs[second.address]["value"] == "1!" and result.ids[first.address] == "first"
    again = driver.up(stack_of(second, first), {}, none)
    assert again.ok and not again.changed


@pytest.mark.capability("model-development/configuration-management", by="trueup_stacks.program:program")
def test_what_changes_is_updated_and_what_is_no_longer_said_is_deleted(driver: Any, home: Path, thing: Any) -> None:
    driver.up(stack_of(thing("keep", 1), thing("change", 1), thing("drop", 1)), {}, none)
    result = driver.up(stack_of(thing("keep", 1), thing("change", {"a": [1, 2]})), {}, none)
    assert result.ok, result.error
    assert actions(result) == {"change": "update", "drop": "delete"}
    assert things(home) == {"keep": {"value": 1}, "change": {"value": {"a": [1, 2]}}}


def test_a_preview_says_what_an_up_would_do_and_does_nothing(driver: Any, home: Path, thing: Any) -> None:
    first = thing("first", 1, fixed="x")
    driver.up(stack_of(first, thing("second", first.output("shout"), after=(first,))), {}, none)
    before = things(home)
    first = thing("first", 2, fixed="y")
    found = driver.preview(stack_of(first, thing("third", 1)), {}, frozenset(), none)
    assert found.ok, found.error
    steps = {s.address.name: s for s in found.changed}
    assert {n: s.action for n, s in steps.items()} == {"first": "replace", "second": "delete", "third": "create"}
    assert steps["first"].replace_keys == ("fixed",)
    assert {(d.path, d.replaces, d.old, d.new) for d in steps["first"].diffs} == {
        ("fixed", True, "x", "y"),
        ("value", False, 1, 2),
    }
    assert things(home) == before


def test_outputs_of_other_stacks_enter_as_values_or_as_unknowns(driver: Any, home: Path, thing: Any) -> None:
    upstream = thing("table", 1, stack=StackId("dev", "churn", "data"))
    reader = thing("reader", upstream.output("nested.a.b"))
    with pytest.raises(MissingUpstream, match=r"reads 'nested\.a\.b' of dev\.churn\.data::trueup:test:Thing::table"):
        driver.up(stack_of(reader), {}, none)
    applied = driver.up(stack_of(upstream), {}, none)
    assert driver.up(stack_of(reader), applied.outputs, none).ok
    assert things(home)["reader"] == {"value": 1}
    assert driver.outputs(upstream.address.stack) == applied.outputs
    found = driver.preview(stack_of(reader), {}, {upstream.address}, none)
    (step,) = found.changed
    assert step.action == "update" and [(d.path, d.new) for d in step.diffs] == [("value", UNKNOWN)]


def test_a_failure_is_worded_and_what_does_not_depend_on_it_is_done(driver: Any, home: Path, thing: Any) -> None:
    bad = thing("bad", 1, fail="no disk left")
    waits = thing("waits", 1, after=(bad,))
    result = driver.up(stack_of(bad, waits, thing("other", 1)), {}, none)
    assert not result.ok
    assert result.error == "trueup:test:Thing bad: The thing bad cannot be made: no disk left"
    statuses = {s.address.name: s.status for s in result.steps}
    assert statuses["bad"] == "failed" and statuses["other"] == "done" and statuses.get("waits", "skipped") == "skipped"
    assert set(things(home)) == {"other"}
    fixed = thing("bad", 1)
    assert driver.up(stack_of(fixed, thing("waits", 1, after=(fixed,)), thing("other", 1)), {}, none).ok
    assert set(things(home)) == {"bad", "waits", "other"}


def test_what_is_not_ready_is_no_failure_its_dependents_wait_and_the_next_up_goes_on(
    driver: Any, home: Path, thing: Any
) -> None:
    run = thing("run", 1, unready="waiting: the run goes on")
    stack = stack_of(run, thing("model", run.output("shout"), after=(run,)), thing("other", 1))
    result = driver.up(stack, {}, none)
    assert result.ok, result.error
    assert result.not_ready == {run.address: "waiting: the run goes on"}
    assert set(things(home)) == {"run", "other"}
    (home / "ready").touch()
    result = driver.up(stack, {}, none)
    assert result.ok and not result.not_ready, result.error
    assert set(things(home)) == {"run", "model", "other"}


def test_check_failures_name_the_property(driver: Any, home: Path, thing: Any) -> None:
    result = driver.up(stack_of(thing("bad", -1)), {}, none)
    assert not result.ok and "The value must not be negative." in result.error and "bad" in result.error
    assert things(home) == {}


def test_a_secret_reaches_the_provider_and_nothing_else(driver: Any, home: Path, thing: Any) -> None:
    value = "correct horse battery"
    logged: list[str] = []
    stack = stack_of(thing("db", Secret("ci", "password")), thing("bad", Secret("ci", "password"), fail=f"for {value}"))
    result = driver.up(stack, {}, lambda _reference: value, lambda event: logged.append(repr(event)))
    assert things(home)["db"]["value"] == value
    assert not result.ok and value not in result.error and value not in repr(result) and value not in "".join(logged)
    assert "value" not in result.outputs[stack.resources[0].address]
    kept = [p for p in home.rglob("*") if p.is_file() and "things" not in p.parts and value.encode() in p.read_bytes()]
    assert kept == []
    rotated = driver.up(stack_of(stack.resources[0]), {}, lambda _reference: "another value")
    assert actions(rotated) == {"db": "update"} and things(home)["db"]["value"] == "another value"


def test_refresh_finds_what_is_gone_and_the_next_up_makes_it_again(driver: Any, home: Path, thing: Any) -> None:
    stack = stack_of(thing("a", 1), thing("b", 1))
    driver.up(stack, {}, none)
    (home / "things" / "a.json").unlink()
    (home / "things" / "b.json").write_text(
        json.dumps({"urn": stack.resources[1].address.urn("demo"), "inputs": {"value": 9}})
    )
    assert not driver.up(stack, {}, none).changed, "without a refresh, the state is believed"
    refreshed = driver.refresh(STACK)
    assert refreshed.ok and set(refreshed.ids.values()) == {"b"}
    result = driver.up(stack, {}, none)
    assert result.ok and actions(result) == {"a": "create", "b": "update"}
    assert things(home) == {"a": {"value": 1}, "b": {"value": 1}}


def test_an_up_with_refresh_puts_right_what_drifted(driver: Any, home: Path, thing: Any) -> None:
    stack = stack_of(thing("a", 1))
    driver.up(stack, {}, none)
    (home / "things" / "a.json").unlink()
    assert driver.up(stack, {}, none, refresh=True).ok
    assert things(home) == {"a": {"value": 1}}


def test_destroy_deletes_all_but_what_is_protected_or_to_be_kept(driver: Any, home: Path, thing: Any) -> None:
    kept, guarded = thing("kept", 1, options=Options(retain=True)), thing("guarded", 1, options=Options(protect=True))
    driver.up(stack_of(thing("a", 1), kept, guarded), {}, none)
    refused = driver.destroy(STACK)
    assert not refused.ok and "guarded" in refused.error
    driver.up(stack_of(thing("a", 1), kept, thing("guarded", 1)), {}, none)
    assert driver.destroy(STACK).ok
    assert set(things(home)) == {"kept"} and driver.outputs(STACK) == {}


def test_a_renamed_resource_is_kept(driver: Any, home: Path, thing: Any) -> None:
    old = thing("old", 1)
    driver.up(stack_of(old), {}, none)
    result = driver.up(stack_of(thing("new", 1, options=Options(moved_from=(old.address,)))), {}, none)
    assert result.ok and not result.changed, result
    assert set(result.ids.values()) == {"old"}


def test_a_stack_that_was_never_applied_has_no_state(driver: Any) -> None:
    assert driver.state(STACK) is None and driver.outputs(STACK) == {}


def test_events_come_as_things_happen(driver: Any, thing: Any) -> None:
    seen: list[tuple[str, str, str]] = []
    driver.up(
        stack_of(thing("a", 1)),
        {},
        none,
        lambda e: seen.append((e.kind, e.address.name if e.address else "-", e.action)),
    )
    steps = [s for s in seen if s[0] != "log"]
    assert steps == [
        ("started", "-", ""),
        ("started", "a", "create"),
        ("finished", "a", "create"),
        ("finished", "-", ""),
    ]


def test_a_backend_that_cannot_be_reached_is_said_in_one_error(
    driver: Any, home: Path, pulumi_cli: Path, thing: Any
) -> None:
    from trueup.apply.backend import Backend
    from trueup.apply.pulumi import Driver

    away = Driver("demo", Backend("file:///proc/nowhere"), home, pulumi_cli)
    with pytest.raises(DriverError, match=r"dev\.churn\.model"):
        away.up(stack_of(thing("a", 1)), {}, none)


def test_a_stack_of_many_types_of_values_goes_through_unchanged(driver: Any, home: Path, thing: Any) -> None:
    value = {"text": "ü\n", "none": [None, {"deep": [True, False, 0, -1, 1.5, 2**53 - 1]}], "empty": {}, "list": []}
    result = driver.up(stack_of(thing("a", value)), {}, none)
    assert result.ok, result.error
    assert things(home)["a"]["value"]["list"] == [] and things(home)["a"]["value"]["text"] == "ü\n"
    assert things(home)["a"]["value"]["none"][1] == {"deep": [True, False, 0, -1, 1.5, 2**53 - 1]}
    assert isinstance(result.outputs[Address(STACK, "trueup:test:Thing", "a")]["path"], str)
    assert not driver.up(stack_of(thing("a", value)), {}, none).changed


def test_the_providers_are_held_to_the_cluster_that_is_named(
    home: Path, pulumi_cli: Path, things: None, thing: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    import pulumi

    from trueup.apply import backend
    from trueup.apply.pulumi import Driver
    from trueup_specs.kinds.environment.spec import State
    from trueup_stacks import program

    seen: list[Any] = []
    real = program.program

    def watched(*given: Any) -> Any:
        declare = real(*given)

        def declared() -> None:
            seen.append((pulumi.Config("kubernetes").get("context"), pulumi.Config("aws").get("allowedAccountIds")))
            declare()

        return declared

    monkeypatch.setattr(program, "program", watched)
    told = {"kubernetes:context": "prod-eu", "aws:allowedAccountIds": '["123456789012"]'}
    driver = Driver("demo", backend.resolve(State(), home), home, pulumi_cli, configuration=told)
    assert driver.preview(stack_of(thing("first", 1)), {}, frozenset(), none).ok
    assert driver.up(stack_of(thing("first", 1)), {}, none).ok
    assert seen == [("prod-eu", '["123456789012"]')] * 2


def test_what_is_forgotten_goes_from_the_state_alone_and_what_named_it_stays(
    driver: Any, home: Path, thing: Any
) -> None:
    lost = thing("lost", 1, type="trueup:test:Keyed", options=Options(protect=True), key="lost")
    stays = thing("stays", lost.output("shout"), after=(lost,))
    first = driver.up(stack_of(lost, stays), {}, none)
    assert first.ok, first.error
    before = things(home)
    said: list[Any] = []
    result = driver.forget(STACK, "trueup:test:Keyed", said.append)
    assert result.ok and actions(result) == {"lost": "give-up"} and set(result.ids) == {stays.address}
    assert [e.action for e in said if e.address == lost.address] == ["give-up"]
    assert things(home) == before, "the real things are as they were"
    again = driver.up(stack_of(thing("stays", "1!")), {}, none)
    assert again.ok and not again.changed, "the state is whole, and nothing else is lost"
    assert not driver.forget(STACK, "trueup:test:Keyed").changed
