"""The rules of a kind, asked about each of its documents, a hundred thousand times in a large workspace. Called by `crossing`.

A rule is asked in the shortest way, and not at all where no field that it is about is written; rules about parts are asked once for equal
parts. What is found is what each rule's own `check` finds.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from itertools import chain
from typing import Any, Generic, TypeVar

from trueup_specs.core.envelope import Document, SpecModel
from trueup_specs.core.positions import Path
from trueup_specs.core.rules import Finding, Index, PartRule, Rule, SpecRule, below

T = TypeVar("T")
_Find = Callable[[Any, Document, Index], Iterable[Finding]]
_Asked = tuple[Rule, _Find]
_Parts = Callable[[Any], Iterable[tuple[Path, SpecModel]]]


class Judge:
    """The rules of one kind."""

    def __init__(self, rules: Iterable[Rule]) -> None:
        self._of_metadata: _ByField[_Asked] = _ByField("metadata.")
        self._of_spec: _ByField[_Asked] = _ByField("spec.")
        self._of_parts: dict[_Parts, _ByField[PartRule[Any]]] = {}
        self._right: dict[tuple[_Parts, int], SpecModel] = {}
        """Parts in which nothing was found. Holding them keeps their identity their own."""
        for rule in rules:
            if isinstance(rule, PartRule) and type(rule).check is PartRule.check:
                self._of_parts.setdefault(rule.parts, _ByField("")).add(rule, rule.about)
            else:
                of_metadata = any(field.startswith("metadata.") for field in rule.about)
                (self._of_metadata if of_metadata else self._of_spec).add((rule, _finding(rule)), rule.about)

    def findings(self, document: Document, index: Index) -> Iterator[tuple[Rule, Finding]]:
        """What the rules find in a document."""
        spec = document.spec
        for parts, rules in self._of_parts.items():
            for path, part in parts(spec):
                if (parts, id(part)) not in self._right:
                    yield from self._in_part(parts, rules, path, part)
        for asked in (self._of_metadata.of(document.metadata), self._of_spec.of(spec)):
            for rule, find in asked:
                for finding in find(spec, document, index):
                    yield rule, finding

    def _in_part(
        self, parts: _Parts, rules: _ByField[PartRule[Any]], path: Path, part: SpecModel
    ) -> Iterator[tuple[Rule, Finding]]:
        found = [(rule, finding) for rule in rules.of(part) for finding in rule.judge(part)]
        if not found:
            self._right[parts, id(part)] = part
        return ((rule, below(path, finding)) for rule, finding in found)


class _ByField(Generic[T]):
    """Rules by what they are about."""

    def __init__(self, prefix: str) -> None:
        self._prefix = prefix
        self._always: list[T] = []
        self._rules: dict[str, list[T]] = {}
        self._chosen: dict[frozenset[str], list[T]] = {}
        """The rules that matter where these fields are written: documents write the same few sets of fields."""

    def add(self, rule: T, about: Iterable[str]) -> None:
        """Adds a rule with the fields that it is about."""
        fields = [field.removeprefix(self._prefix) for field in about]
        for rules in [self._rules.setdefault(field, []) for field in fields] or [self._always]:
            rules.append(rule)

    def of(self, model: SpecModel) -> list[T]:
        """The rules that may find something in a model with these fields."""
        written = frozenset(model.model_fields_set)
        chosen = self._chosen.get(written)
        if chosen is None:
            of_fields = chain.from_iterable(rules for field, rules in self._rules.items() if field in written)
            chosen = self._chosen[written] = [*self._always, *dict.fromkeys(of_fields)]
        return chosen


def _finding(rule: Rule) -> _Find:
    """What a rule finds in a spec: a rule about one kind is asked without the way through `check`."""
    if isinstance(rule, SpecRule) and type(rule).check is SpecRule.check:
        return rule.find
    return lambda _, document, index: rule.check(document, index)
