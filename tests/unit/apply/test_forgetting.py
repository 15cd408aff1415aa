"""What stood on a cluster that is lost is dropped from the state, and what is in its stack and on no cluster is applied as ever."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from trueup.apply import checkpoints
from trueup.apply.forgetting import Forgetting
from trueup.apply.outcome import StackResult, StepResult
from trueup_specs.core.references import Key
from trueup_stacks.core.resources import Address, Resource, Stack, StackId

PARIS, HERE = StackId("prod", "churn", "serving", "paris"), StackId("prod", "churn", "serving", "frankfurt")
SERVICE, ALIAS = Address(PARIS, "kubernetes:core/v1:Service", "churn"), Address(PARIS, "trueup:registry:Alias", "churn")


class Driver:
    """Remembers what it is asked for."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, StackId]] = []

    def up(self, stack: Stack, *_others: Any) -> StackResult:
        self.asked.append(("up", stack.id))
        return StackResult(
            stack.id, ok=True, steps=tuple(StepResult(r.address, "same", "done") for r in stack.resources)
        )

    def forget(self, stack: StackId, types: str, on_event: Callable[..., None] = ...) -> StackResult:  # type: ignore[assignment]
        assert types == "kubernetes:"
        self.asked.append(("forget", stack))
        return StackResult(stack, ok=True, steps=(StepResult(SERVICE, "give-up", "done"),))

    def outputs(self, stack: StackId) -> Any:
        return {}

    def interrupt(self) -> None:
        self.asked.append(("interrupt", PARIS))


def up(stack: Stack) -> tuple[Driver, StackResult]:
    driver = Driver()
    return driver, Forgetting(driver, driver, {PARIS}).up(stack, {}, lambda _secret: "")


def test_a_stack_on_a_lost_cluster_is_dropped_and_no_provider_is_asked() -> None:
    driver, result = up(Stack(PARIS, ()))
    assert driver.asked == [("forget", PARIS)] and [s.action for s in result.steps] == ["give-up"]


def test_what_stands_on_no_cluster_in_its_stack_is_applied_once_the_rest_is_dropped() -> None:
    driver, result = up(Stack(PARIS, (Resource(ALIAS, {}, Key("Model", "churn", "churn")),)))
    assert driver.asked == [("forget", PARIS), ("up", PARIS)]
    assert [(s.address, s.action) for s in result.steps] == [(SERVICE, "give-up"), (ALIAS, "same")]


def test_every_other_stack_is_applied_as_ever() -> None:
    driver, _ = up(Stack(HERE, ()))
    assert driver.asked == [("up", HERE)]


def urn(address: Address) -> str:
    return address.urn("shop")


def test_a_state_without_some_types_has_nothing_left_that_names_them() -> None:
    provider = "urn:pulumi:prod.churn.serving.paris::shop::pulumi:providers:kubernetes::default"
    deployment = {
        "manifest": {"version": "v3"},
        "resources": [
            {"urn": provider, "type": "pulumi:providers:kubernetes"},
            {"urn": urn(SERVICE), "id": "churn/churn", "protect": True},
            {"urn": urn(SERVICE), "id": "churn/old", "delete": True},
            {
                "urn": urn(ALIAS),
                "dependencies": [urn(SERVICE), provider],
                "propertyDependencies": {"version": [urn(SERVICE)], "name": None},
                "deletedWith": urn(SERVICE),
            },
        ],
        "pending_operations": [
            {"resource": {"urn": urn(SERVICE)}, "type": "deleting"},
            {"resource": {"urn": urn(ALIAS)}, "type": "updating"},
        ],
    }
    left, gone = checkpoints.without({"version": 3, "deployment": deployment}, "kubernetes:")
    assert gone == (SERVICE,) and left["version"] == 3
    assert left["deployment"] == {
        "manifest": {"version": "v3"},
        "resources": [
            {"urn": provider, "type": "pulumi:providers:kubernetes"},
            {"urn": urn(ALIAS), "dependencies": [provider], "propertyDependencies": {"version": [], "name": []}},
        ],
        "pending_operations": [{"resource": {"urn": urn(ALIAS)}, "type": "updating"}],
    }
