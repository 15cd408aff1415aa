"""A real component over files, so that tests can see what is there: one JSON file for each thing, and a journal of all effects.

Loaded by the tests and, in the kill tests, by the process that is killed. `TRUEUP_TEST_KILL=before:create:2` kills the apply
and its Pulumi children before its second create takes effect; with `TRUEUP_TEST_OUTLIVED` the children are left to see the end.
"""

from __future__ import annotations

import json
import os
import secrets
import signal
import threading
import time
from pathlib import Path
from typing import Any

import psutil

from trueup.provider.component import UNKNOWN, ComponentError, Context, Failure, Live, State

TOKENS = {f"trueup:test:{name}": f"trueup_test_things:{name}" for name in ("Thing", "Keyed", "Stamped")}
COUNTS: dict[str, int] = {}
GUARD = threading.Lock()


def moment(when: str, effect: str) -> None:
    """A moment at which the process may be killed."""
    asked = os.environ.get("TRUEUP_TEST_KILL")
    if not asked:
        return
    with GUARD:
        COUNTS[f"{when}:{effect}"] = COUNTS.get(f"{when}:{effect}", 0) + 1
        count = COUNTS[f"{when}:{effect}"]
    if asked == f"{when}:{effect}:{count}":
        # The children first: one that outlives the apply by a moment would still record what it sees of its end.
        if not os.environ.get("TRUEUP_TEST_OUTLIVED"):
            for child in psutil.Process().children(recursive=True):
                child.kill()
        os.kill(os.getpid(), signal.SIGKILL)
        time.sleep(60)


class Thing:
    """`value`: any JSON; `fixed` replaces; `fail`, `unready`, `slow` make it behave so. Outputs: `path`, `value`, `shout`."""

    token = "trueup:test:Thing"
    replace_on = frozenset({"fixed"})
    secret_outputs: frozenset[str] = frozenset()

    def check(self, inputs: dict[str, Any]) -> list[Failure]:
        return [Failure("value", "The value must not be negative.")] if inputs.get("value") == -1 else []

    def preview(self, inputs: dict[str, Any], old: State | None) -> dict[str, Any]:
        known = {"value": inputs["value"]} if inputs.get("value", UNKNOWN) != UNKNOWN else {}
        return known | ({"path": old.outputs["path"]} if old and "path" in old.outputs else {})

    def create(self, context: Context, inputs: dict[str, Any]) -> State:
        return self._write(context, self.id(context, inputs), inputs, "create")

    def update(self, context: Context, id: str, old_inputs: Any, old_outputs: Any, inputs: dict[str, Any]) -> State:
        return self._write(context, id, inputs, "update")

    def read(self, context: Context, id: str, inputs: dict[str, Any], outputs: dict[str, Any]) -> Live | None:
        path = context.home / "things" / f"{id}.json"
        if not path.exists():
            return None
        found = json.loads(path.read_text())["inputs"]
        return Live(found, self._outputs(path, found))

    def delete(self, context: Context, id: str, inputs: dict[str, Any], outputs: dict[str, Any]) -> None:
        moment("before", "delete")
        journal(context, "delete", id)
        (context.home / "things" / f"{id}.json").unlink(missing_ok=True)
        moment("after", "delete")

    def id(self, context: Context, inputs: dict[str, Any]) -> str:
        return context.urn.split("::")[-1]

    def _write(self, context: Context, id: str, inputs: dict[str, Any], effect: str) -> State:
        time.sleep(float(inputs.get("slow") or 0))
        if inputs.get("fail"):
            raise ComponentError(f"The thing {id} cannot be made: {inputs['fail']}")
        moment("before", effect)
        path = context.home / "things" / f"{id}.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        journal(context, effect, id)
        scratch = path.with_suffix(f".{os.getpid()}-{threading.get_ident()}")
        scratch.write_text(json.dumps({"urn": context.urn, "inputs": inputs}))
        scratch.replace(path)
        moment("after", effect)
        context.log(f"wrote {id}")
        unready = inputs.get("unready")
        waits = bool(unready) and not (context.home / "ready").exists()
        return State(id, self._outputs(path, inputs), str(unready) if waits else None)

    def _outputs(self, path: Path, inputs: dict[str, Any]) -> dict[str, Any]:
        value = inputs.get("value")
        return {"path": str(path), "value": value, "shout": f"{value}!", "nested": {"a": {"b": value}}}


class Keyed(Thing):
    """A thing whose identity is its `key`, as a run's is its fingerprint."""

    token = "trueup:test:Keyed"
    replace_on = frozenset({"key"})

    def id(self, context: Context, inputs: dict[str, Any]) -> str:
        return str(inputs["key"])


class Stamped(Thing):
    """A thing whose identity is random, as a cloud's is: only its stamp keeps an interrupted creation from being doubled."""

    token = "trueup:test:Stamped"

    def id(self, context: Context, inputs: dict[str, Any]) -> str:
        for path in (context.home / "things").glob("*.json"):
            if json.loads(path.read_text())["urn"] == context.urn:
                return path.stem
        return secrets.token_hex(4)


def journal(context: Context, effect: str, id: str) -> None:
    with (context.home / "journal").open("a") as stream:
        stream.write(f"{effect} {id}\n")
