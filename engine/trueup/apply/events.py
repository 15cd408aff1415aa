"""Pulumi's engine events as steps: what `up` did, what `preview` would do, and what went wrong. Called by `pulumi.py`.

The events are the JSON objects of `--event-log`; their fields are those of `pulumi.automation.events`.
"""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from trueup.apply import checkpoints
from trueup.apply.advice import advised
from trueup.apply.outcome import Event, PreviewStep, PropertyDiff, StepResult
from trueup_stacks.core.resources import Address, StackId

COLOUR = re.compile(r"<\{%[^%]*%\}>|\x1b\[[0-9;]*m")
REPLACING = ("replace", "create-replacement", "delete-replaced", "discard-replaced")
QUIET = ("same", "read", "refresh")
PART = ("replace", "delete-replaced", "discard-replaced")
"""The other operations of a replacement, whose `create-replacement` is what people see."""
BOILERPLATE = re.compile(
    r"^(?:error: )?(?:update|preview|refresh|destroy|resource(?: \S+)? (?:creation|update)) failed$"
)
UNHEALTHY = re.compile(r"^Refreshed resource is in an unhealthy state:")
"""What a refresh says of drift, which the plan names and the operation puts right."""
FOUND = re.compile(r"^using pulumi-resource-\S+ from \$PATH")
"""What Pulumi says each time of a provider that it need not download."""
ECHO = re.compile(
    r"^(?:an unhandled error occurred: )?python inline source runtime error: resource \S+ \[\S+\] failed to register"
)
"""What the SDK says of a resource whose own error stands beside it, with a traceback of the SDK's."""


@dataclass
class _Seen:
    action: str = "same"
    began: float = 0.0
    seconds: float = 0.0
    done: bool = False
    failed: bool = False
    diffs: tuple[PropertyDiff, ...] = ()
    replace_keys: tuple[str, ...] = ()
    errors: list[str] = field(default_factory=list)


class Transcript:
    """Collects the events of one operation, and passes on what is worth showing live. Safe for several threads."""

    def __init__(self, stack: StackId, mask: Callable[[str], str], on_event: Callable[[Event], None]) -> None:
        self._stack = stack
        self._mask = mask
        self._on_event = on_event
        self._seen: dict[Address, _Seen] = {}
        self._general: list[str] = []
        self._guard = threading.Lock()

    def take(self, event: Mapping[str, Any]) -> None:
        """Takes one engine event."""
        with self._guard:
            if "resourcePreEvent" in event:
                self._begin(event["resourcePreEvent"]["metadata"])
            elif "resOutputsEvent" in event:
                self._end(event["resOutputsEvent"]["metadata"], failed=False)
            elif "resOpFailedEvent" in event:
                self._end(event["resOpFailedEvent"]["metadata"], failed=True)
            elif "diagnosticEvent" in event:
                self._diagnose(event["diagnosticEvent"])

    def steps(self, not_ready: Mapping[Address, str]) -> tuple[StepResult, ...]:
        """What was done, by address. What stands in `not_ready` is so, whatever Pulumi called it."""
        with self._guard:
            return tuple(self._step(a, s, not_ready) for a, s in sorted(self._seen.items()))

    def previews(self) -> tuple[PreviewStep, ...]:
        """What would be done, by address."""
        with self._guard:
            return tuple(PreviewStep(a, s.action, s.replace_keys, s.diffs) for a, s in sorted(self._seen.items()))

    def errors(self, ready: Callable[[Address], bool] = lambda _a: True) -> list[str]:
        """Everything that went wrong, a paragraph each; resources that are only not ready are left out."""
        with self._guard:
            found = [
                f"{address.type} {address.name}: {text}"
                for address, seen in sorted(self._seen.items())
                if ready(address)
                for text in dict.fromkeys(seen.errors)
            ]
            return found + list(dict.fromkeys(self._general))

    def failed(self) -> frozenset[Address]:
        """The resources whose operation failed, the ones that are only not ready among them."""
        with self._guard:
            return frozenset(a for a, s in self._seen.items() if s.failed or s.errors)

    def _step(self, address: Address, seen: _Seen, not_ready: Mapping[Address, str]) -> StepResult:
        if address in not_ready:
            return StepResult(address, seen.action, "not-ready", not_ready[address], seen.seconds)
        if seen.failed or seen.errors:
            return StepResult(address, seen.action, "failed", "\n".join(dict.fromkeys(seen.errors)), seen.seconds)
        return StepResult(address, seen.action, "done" if seen.done else "skipped", "", seen.seconds)

    def _begin(self, metadata: Mapping[str, Any]) -> None:
        if checkpoints.is_internal(metadata["urn"]):
            return
        address = checkpoints.address_of(metadata["urn"])
        seen = self._seen.setdefault(address, _Seen())
        seen.began = seen.began or time.monotonic()
        seen.action = _action(seen.action, metadata["op"])
        seen.diffs = seen.diffs or property_diffs(metadata)
        seen.replace_keys = seen.replace_keys or tuple(metadata.get("keys") or ())
        if metadata["op"] not in (*QUIET, *PART):
            self._on_event(Event(self._stack, "started", address, seen.action))

    def _end(self, metadata: Mapping[str, Any], failed: bool) -> None:
        if checkpoints.is_internal(metadata["urn"]):
            return
        address = checkpoints.address_of(metadata["urn"])
        seen = self._seen.setdefault(address, _Seen())
        seen.action = _action(seen.action, metadata["op"])
        seen.done, seen.failed = not failed, seen.failed or failed
        seen.seconds = time.monotonic() - seen.began if seen.began else 0.0
        if metadata["op"] not in (*QUIET, *PART) or failed:
            kind: Literal["failed", "finished"] = "failed" if failed else "finished"
            self._on_event(Event(self._stack, kind, address, seen.action, seconds=seen.seconds))

    def _diagnose(self, event: Mapping[str, Any]) -> None:
        urn = event.get("urn") or ""
        address = checkpoints.address_of(urn) if urn and not checkpoints.is_internal(urn) else None
        text = clean(self._mask(str(event.get("message") or "")))
        if event.get("severity") == "error":
            if text and not BOILERPLATE.match(text) and not ECHO.match(text):
                (self._seen.setdefault(address, _Seen()).errors if address else self._general).append(advised(text))
        elif event.get("severity") in ("info", "info#err", "warning") and text and not _known(text):
            self._on_event(Event(self._stack, "log", address, message=text))


def _known(text: str) -> bool:
    return UNHEALTHY.match(text) is not None or FOUND.match(text) is not None


def _action(before: str, operation: str) -> str:
    """One word for what happens to a resource, whose replacement is several operations."""
    if operation in REPLACING or before == "replace":
        return "replace"
    return before if operation in QUIET and before not in QUIET else operation


def property_diffs(metadata: Mapping[str, Any]) -> tuple[PropertyDiff, ...]:
    """The differences that a step's metadata shows, with the values before and after."""
    old = (metadata.get("old") or {}).get("inputs") or {}
    new = (metadata.get("new") or {}).get("inputs") or {}
    found = []
    for path, diff in sorted((metadata.get("detailedDiff") or {}).items()):
        kind = str(diff.get("diffKind", diff.get("kind", "update")))
        word: Literal["add", "delete", "update"] = (
            "add" if kind.startswith("add") else "delete" if kind.startswith("delete") else "update"
        )
        found.append(PropertyDiff(path, word, kind.endswith("replace"), _at(old, path), _at(new, path)))
    return tuple(found)


def _at(value: Any, path: str) -> Any:
    """The value at a property path such as `spec.ports[0].name` or `data["a.b"]`; None where there is none."""
    for quoted, index, name in re.findall(r'\["((?:[^"\\]|\\.)*)"\]|\[(\d+)\]|([^.\[\]]+)', path):
        if isinstance(value, list) and index and int(index) < len(value):
            value = value[int(index)]
        elif isinstance(value, Mapping):
            value = value.get(name or quoted or index)
        else:
            return None
    return value


def clean(text: str) -> str:
    """A message without colours, without Pulumi's counting of errors and without empty lines at its ends."""
    text = COLOUR.sub("", text).strip()
    text = re.sub(r"^(?:error: )+", "", text)
    text = re.sub(r"\b\d+ errors? occurred:\s*\*\s*", "", text)
    return re.sub(r"\n\s*\n+", "\n", text).strip()
