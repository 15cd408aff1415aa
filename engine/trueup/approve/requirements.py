"""Which approvals an environment asks for, and who may give each. Pure; called by `coverage` and by what shows plans."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property

from trueup.approve.codeowners import Codeowners
from trueup.approve.people import Person, people
from trueup.plan.values import Cost, Danger, Plan, SealEntry, Step
from trueup_specs.core.references import Key
from trueup_specs.kinds.environment.spec import ApprovalRule, Approvals
from trueup_specs.kinds.team.spec import TeamSpec

_ORDER = {"create": 0, "update": 1, "replace": 2, "delete": 3}
_SEVERITY = {Danger.UPDATE: 1, Danger.MAYBE_REPLACE: 2, Danger.REPLACE: 2, Danger.DELETE: 3}


@dataclass(frozen=True)
class Ownership:
    """Who owns what is touched."""

    file: Codeowners = field(default_factory=Codeowners)
    """The base branch's CODEOWNERS."""
    touched: tuple[str, ...] = ()
    """The paths that differ from what was applied last, from the repository's top."""


@dataclass(frozen=True)
class Scene:
    """What rules are asked about: a plan, the teams, and who owns what."""

    plan: Plan
    teams: Mapping[str, TeamSpec]
    ownership: Ownership = field(default_factory=Ownership)

    @cached_property
    def people(self) -> dict[str, Person]:
        """Everyone of the teams, by login in lower case."""
        return people(self.teams)

    @cached_property
    def steps(self) -> dict[str, Step]:
        """The plan's steps by URN."""
        return {s.address.urn(self.plan.workspace): s for s in self.plan.steps}

    @cached_property
    def files(self) -> dict[str, str]:
        """The paths of the changed documents, by key."""
        return {c.key: c.location.file for c in self.plan.changes if c.location is not None}


def rules(settings: Approvals, *, override: bool = False) -> tuple[ApprovalRule, ...]:
    """The rules that effects must meet, the plain form as the first; with `override`, those of whom may pass over soft policies."""
    plain = (
        [ApprovalRule(required=settings.required, teams=settings.teams)] if settings.required and not override else []
    )
    return (*plain, *(r for r in settings.rules if r.policy_override is override))


def asked(plan: Plan, settings: Approvals, teams: Mapping[str, TeamSpec]) -> tuple[str, ...]:
    """The rules that the plan's effects must meet, as words."""
    scene = Scene(plan, teams)
    return tuple(worded(r) for r in rules(settings) if any(concerns(r, e, scene) for e in plan.seal))


def concerns(rule: ApprovalRule, entry: SealEntry, scene: Scene) -> bool:
    """Whether a rule is about an entry. What cannot be told matches: a rule is not passed over for want of knowledge."""
    step = scene.steps.get(entry.urn)
    if step is None:
        return True
    key = Key.parse(step.origin)
    return (
        (not rule.kinds or key.kind in rule.kinds)
        and (not rule.namespaces or key.namespace in rule.namespaces)
        and (rule.severity is None or _severity(step) >= _ORDER[rule.severity])
        and _raises(rule, scene.plan.evidence.cost)
    )


def _raises(rule: ApprovalRule, cost: Cost) -> bool:
    """Whether the plan raises the cost by more than a rule lets pass; a cost that is not known is not let pass."""
    return rule.cost_increase is None or bool(cost.unknown) or cost.increase > rule.cost_increase


def _severity(step: Step) -> int:
    if step.action == "create":
        return _ORDER["create"]
    return _SEVERITY.get(step.danger, -1)


def may_approve(rule: ApprovalRule, entry: SealEntry, scene: Scene) -> frozenset[str]:
    """The logins, in lower case, of those whose approval of an entry a rule counts."""
    everyone = scene.people
    named = {u.lower() for u in rule.users} | {u for u, p in everyone.items() if p.teams & set(rule.teams)}
    owners = _owners(entry, scene) if rule.codeowners else None
    if owners is None and not rule.users and not rule.teams:
        return frozenset(everyone)
    return frozenset((named | (owners or frozenset())) & everyone.keys())


def _owners(entry: SealEntry, scene: Scene) -> frozenset[str] | None:
    """Those who own the path of the document that an entry comes from; where it is downstream of a change, of all that is touched.

    None where nobody owns it; an owner whom no team has is nobody who can approve, which is another thing.
    """
    step = scene.steps.get(entry.urn)
    own = scene.files.get(step.origin, "") if step is not None else ""
    paths: Iterable[str] = (own,) if own else scene.ownership.touched
    named = [name for p in paths for name in scene.ownership.file.owners(p)]
    return frozenset(u for name in named for u in _logins(name, scene.people)) if named else None


def _logins(owner: str, everyone: Mapping[str, Person]) -> Iterator[str]:
    """The members whom an owner of CODEOWNERS means: `@user`, `@org/team`, or an address."""
    name = owner.removeprefix("@").lower()
    for user, person in everyone.items():
        if owner.startswith("@") and "/" in name:
            if name.rpartition("/")[2] in person.teams:
                yield user
        elif owner.startswith("@"):
            if name == user:
                yield user
        elif name in person.addresses:
            yield user


def worded(rule: ApprovalRule) -> str:
    """A rule as words: `1 of credit`, `2 of leads or ada for replace and more of Endpoint in churn`."""
    named = [*rule.teams, *rule.users, *(["the owners of the path"] if rule.codeowners else [])]
    who = f"of {' or '.join(named)}" if named else "of a team"
    about = f" for {rule.severity}" + (" and more" if rule.severity != "delete" else "") if rule.severity else ""
    about += f" of {', '.join(rule.kinds)}" if rule.kinds else ""
    about += f" in {', '.join(rule.namespaces)}" if rule.namespaces else ""
    about += f" where a month costs {rule.cost_increase:,.10g} more" if rule.cost_increase is not None else ""
    return f"{rule.required} {who}{about}"
