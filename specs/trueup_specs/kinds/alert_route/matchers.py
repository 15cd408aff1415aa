"""Matchers of alerts in Alertmanager's language, such as `alertname =~ "Slow.*"`. Called by the rules and by what compiles."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from trueup_specs.kinds.alert_route.spec import SubRoute

_FORM = re.compile(r'^\s*([A-Za-z_][A-Za-z0-9_]*)\s*(=~|!~|!=|=)\s*(?:"((?:[^"\\]|\\.)*)"|([^"\s{},]*))\s*$')
_ESCAPED = re.compile(r"\\(.)")


@dataclass(frozen=True, slots=True)
class Matcher:
    """A condition on a label."""

    name: str
    operator: str
    value: str

    def holds(self, labels: Mapping[str, str]) -> bool:
        """Whether an alert with these labels is meant; a label that is not there is empty, as in Alertmanager."""
        found = labels.get(self.name, "")
        if self.operator in ("=", "!="):
            return (found == self.value) == (self.operator == "=")
        return (re.fullmatch(self.value, found) is not None) == (self.operator == "=~")


def parsed(text: str) -> Matcher | str:
    """A matcher, or what is wrong with it, as a sentence."""
    found = _FORM.match(text)
    if found is None:
        return f"{text!r} is no matcher."
    name, operator, quoted, bare = found.groups()
    value = _ESCAPED.sub(r"\1", quoted) if quoted is not None and operator in ("=", "!=") else (quoted or bare or "")
    if operator in ("=~", "!~"):
        try:
            re.compile(value)
        except re.error as error:
            return f"{value!r} is no regular expression: {error}."
    return Matcher(name, operator, value)


def all_of(texts: Iterable[str]) -> tuple[Matcher, ...]:
    """The matchers that are right."""
    return tuple(m for m in map(parsed, texts) if isinstance(m, Matcher))


def any_name(label: str, names: Iterable[str]) -> Matcher:
    """The matcher of alerts whose label has one of some names."""
    found = sorted(names)
    return Matcher(label, "=", found[0]) if len(found) == 1 else Matcher(label, "=~", "|".join(found))


def of_route(route: SubRoute) -> tuple[Matcher, ...]:
    """All that an alert must be for a route: what is written, and one of its monitors and teams."""
    found = list(all_of(route.matchers))
    if route.monitors:
        found.append(any_name("monitor", (m.rpartition("/")[2] for m in route.monitors)))
    if route.teams:
        found.append(any_name("team", route.teams))
    return tuple(found)
