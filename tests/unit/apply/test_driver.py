"""`up`, `preview`, `refresh` and `destroy` of stacks through a real Pulumi."""

from __future__ import annotations

import pytest

pytestmark = pytest.mark.slow


def none(reference):
    raise AssertionError(f"no secret was expected, and {reference} was asked for")


def stack_of(*resources):
    from trueup_stacks.core.resources import Stack

    return Stack(resources[0].address.stack, resources)


def test_up_creates_what_the_stack_says_and_a_second_one_changes_nothing(driver, home, thing) -> None:
    first = thing("first", 1)
    second = thing("second", first.output("shout"), after=(first,))
    result = driver.up(stack_of(second, first), {}, none)
    assert result.ok, result.error
    assert result.outputs[second.address]["value"] == "1!"
    again = driver.up(stack_of(second, first), {}, none)
    assert again.ok and not again.changed
