"""Resources become Pulumi objects: in order, with secrets as secrets, unknowns as unknowns, options as they were said."""

from __future__ import annotations

import asyncio
import graphlib
from collections.abc import Iterator, Mapping
from typing import Any

import pulumi
import pytest

from trueup_specs.core.references import Key
from trueup_stacks.core.resources import Address, Options, Output, Resource, Secret, Stack, StackId
from trueup_stacks.program import MissingUpstream, ordered, program

HERE, THERE = StackId("dev", "churn", "serving"), StackId("dev", "churn", "model")


def thing(name: str, properties: Mapping[str, Any] | None = None, *after: Address, **options: Any) -> Resource:
    address = Address(HERE, "trueup:serve:Service", name)
    return Resource(address, properties or {}, Key("Endpoint", "churn", name), after, Options(**options))


OUTSIDE = Address(THERE, "trueup:run:Gate", "churn")


class Seen(pulumi.runtime.Mocks):
    """What the Pulumi engine is told."""

    def __init__(self) -> None:
        self.made: dict[str, dict[str, Any]] = {}

    def new_resource(self, args: pulumi.runtime.MockResourceArgs) -> tuple[str, dict[str, Any]]:
        self.made[args.name] = dict(args.inputs)
        return args.name, {**args.inputs, "version": 5}

    def call(self, args: pulumi.runtime.MockCallArgs) -> dict[str, Any]:
        return {}


@pytest.fixture(autouse=True)
def loop() -> Iterator[None]:
    """Pulumi's SDK takes the loop of its thread, which another test's `asyncio.run` has put away."""
    made = asyncio.new_event_loop()
    asyncio.set_event_loop(made)
    yield
    asyncio.set_event_loop(None)
    made.close()


def test_each_resource_comes_after_what_it_needs() -> None:
    a, b = thing("a"), thing("b")
    c = thing("c", {"backend": b.output("version")}, a.address)
    names = [r.address.name for r in ordered([c, b, a])]
    assert names.index("c") == 2


def test_a_circle_is_refused_before_pulumi_starts() -> None:
    a = thing("a", {}, thing("b").address)
    b = thing("b", {}, a.address)
    with pytest.raises(graphlib.CycleError):
        program(Stack(HERE, (a, b)), {}, frozenset(), lambda s: "", "shop")


def test_an_output_that_no_stack_has_is_named_with_its_reader() -> None:
    reader = thing("api", {"version": Output(OUTSIDE, "acceptedVersion", "f")})
    with pytest.raises(
        MissingUpstream, match=r"Service::api reads 'acceptedVersion' of dev.churn.model::trueup:run:Gate::churn"
    ):
        program(Stack(HERE, (reader,)), {OUTSIDE: {"verdict": "held"}}, frozenset(), lambda s: "", "shop")
    program(Stack(HERE, (reader,)), {}, frozenset({OUTSIDE}), lambda s: "", "shop")


def test_upstream_outputs_and_secrets_arrive_as_values() -> None:
    seen = Seen()
    pulumi.runtime.set_mocks(seen, project="shop", stack=str(HERE))
    api = thing(
        "api", {"model": {"version": Output(OUTSIDE, "acceptedVersion", "f")}, "env": {"T": Secret("vault", "t")}}
    )
    follower = thing("next", {"backend": api.output("version")})
    stack = Stack(HERE, (follower, api))
    declare = program(stack, {OUTSIDE: {"acceptedVersion": 3}}, frozenset(), lambda s: f"{s.store}/{s.name}", "shop")
    pulumi.runtime.test(lambda: declare())()
    assert seen.made["api"]["model"] == {"version": 3}
    assert "vault/t" in repr(seen.made["api"]["env"])
    assert seen.made["next"]["backend"] == 5


class Recorded(pulumi.Resource):
    """Stands for a Pulumi resource: keeps what it was declared with."""

    made: dict[str, tuple[dict[str, Any], pulumi.ResourceOptions]]

    def __init__(self, type: str, name: str, properties: dict[str, Any], options: pulumi.ResourceOptions) -> None:
        self.made[name] = (properties, options)


@pytest.fixture
def recorded(monkeypatch: pytest.MonkeyPatch) -> dict[str, tuple[dict[str, Any], pulumi.ResourceOptions]]:
    made: dict[str, tuple[dict[str, Any], pulumi.ResourceOptions]] = {}
    monkeypatch.setattr(Recorded, "made", made, raising=False)
    monkeypatch.setattr(pulumi, "CustomResource", Recorded)
    return made


def test_a_secret_enters_as_a_secret_and_what_will_change_as_unknown(recorded: Any) -> None:
    api = thing(
        "api", {"version": Output(OUTSIDE, "acceptedVersion", "f"), "token": Secret("vault", "t"), "plain": "x"}
    )
    upstream = {OUTSIDE: {"acceptedVersion": 3}}

    async def judged() -> tuple[bool, bool, bool]:
        program(Stack(HERE, (api,)), upstream, frozenset({OUTSIDE}), lambda s: "hidden", "shop")()
        given = recorded["api"][0]
        assert given["plain"] == "x"
        return await given["token"].is_secret(), await given["version"].is_known(), await given["version"].is_secret()

    assert asyncio.run(judged()) == (True, False, False)


def test_options_are_as_they_were_said(recorded: Any) -> None:
    former = Address(HERE, "trueup:serve:Service", "old")
    kept = thing("new", {}, protect=True, retain=True, moved_from=(former,))
    program(Stack(HERE, (kept, thing("plain", {}, kept.address))), {}, frozenset(), lambda s: "", "shop")()
    options = recorded["new"][1]
    assert options.protect is True and options.retain_on_delete is True
    assert [a.name for a in options.aliases] == ["old"]
    plain = recorded["plain"][1]
    assert not plain.protect and not plain.retain_on_delete and not plain.aliases
    assert len(plain.depends_on) == 1
