"""Rules of an Environment's approvals (TRU1123 to TRU1129). Listed by `applying_rules`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from trueup_specs.core.diagnostics import Severity
from trueup_specs.core.envelope import Document
from trueup_specs.core.positions import Path
from trueup_specs.core.references import Key
from trueup_specs.core.rules import Finding, Index, Rule, SpecRule, repeated
from trueup_specs.kinds.envelope.words import instead
from trueup_specs.kinds.environment.spec import EnvironmentSpec
from trueup_specs.kinds.policy.spec import PolicySpec
from trueup_specs.kinds.team.spec import TeamSpec

_GOOD = """
    kind: Environment
    metadata: {name: prod}
    spec: {approvals: {required: 1, teams: [growth], rules: [{teams: [growth], users: [bob], severity: delete, kinds: [Model]}]}}
    ---
    kind: Team
    metadata: {name: growth}
    spec: {members: [{user: ada}, {user: bob}]}
    """
_OVERRIDE = """
    kind: Environment
    metadata: {name: prod}
    spec: {approvals: {rules: [{users: [ada], policyOverride: true}]}}
    ---
    kind: Team
    metadata: {name: growth}
    spec: {members: [{user: ada}, {user: bob}]}
    ---
    kind: Policy
    metadata: {name: two-servers}
    spec:
      level: soft
      match: {kinds: [Endpoint]}
      expression: document.spec.predictor.minReplicas >= 2
      message: An endpoint needs two servers.
    """


def _members(teams: Iterable[str], index: Index) -> set[str] | None:
    """The people of some teams, in lower case; None where a team is not known."""
    people: set[str] = set()
    for name in teams:
        team = index.get(Key("Team", "", name))
        if team is None or not isinstance(team.spec, TeamSpec):
            return None
        people.update(member.user.lower() for member in team.spec.members)
    return people


class ApprovalsUnreachable(SpecRule[EnvironmentSpec]):
    """`approvals.required` must not be more than there are people in `approvals.teams`."""

    code = "TRU1123"
    reason = "No plan could ever be applied."
    good = _GOOD
    bad = """
        kind: Environment
        metadata: {name: prod}
        spec: {approvals: {required: 3, teams: [growth]}}
        #                            ^
        ---
        kind: Team
        metadata: {name: growth}
        spec: {members: [{user: ada}, {user: bob}]}
        """

    def find(self, spec: EnvironmentSpec, document: Document, index: Index) -> Iterator[Finding]:
        people = _members(spec.approvals.teams, index)
        if spec.approvals.teams and people is not None and spec.approvals.required > len(people):
            yield Finding(
                ("spec", "approvals", "required"),
                f"{spec.approvals.required} approvals are required, but the teams have {len(people)} members.",
                fix="Require fewer, or add teams; the author of a change is not counted.",
            )


class ApprovalTeamTwice(SpecRule[EnvironmentSpec]):
    """`approvals.teams` and the `teams` of a rule must name each team once."""

    code = "TRU1124"
    reason = "A repeated name is, as a rule, another team that was meant."
    good = _GOOD
    bad = """
        kind: Environment
        metadata: {name: prod}
        spec: {approvals: {required: 1, teams: [growth, growth]}}
        #                                               ^
        ---
        kind: Team
        metadata: {name: growth}
        spec: {members: [{user: ada}, {user: bob}]}
        """

    def find(self, spec: EnvironmentSpec, document: Document, index: Index) -> Iterator[Finding]:
        place = ("spec", "approvals")
        lists: list[tuple[Path, tuple[str, ...]]] = [((*place, "teams"), spec.approvals.teams)]
        lists += [((*place, "rules", n, "teams"), rule.teams) for n, rule in enumerate(spec.approvals.rules)]
        for path, teams in lists:
            for position, _, name in repeated(teams):
                yield Finding((*path, position), f"The team {name!r} is listed twice.", fix="Remove one of them.")


class ApprovalRuleUnreachable(SpecRule[EnvironmentSpec]):
    """A rule of approvals must not require more people than it names."""

    code = "TRU1125"
    reason = "What the rule is about could never be applied."
    good = _GOOD
    bad = """
        kind: Environment
        metadata: {name: prod}
        spec: {approvals: {rules: [{required: 3, teams: [growth]}]}}
        #                                     ^
        ---
        kind: Team
        metadata: {name: growth}
        spec: {members: [{user: ada}, {user: bob}]}
        """

    def find(self, spec: EnvironmentSpec, document: Document, index: Index) -> Iterator[Finding]:
        for position, rule in enumerate(spec.approvals.rules):
            people = _members(rule.teams, index)
            if people is None or rule.codeowners or not (rule.teams or rule.users):
                continue
            number = len(people | {user.lower() for user in rule.users})
            if rule.required > number:
                yield Finding(
                    ("spec", "approvals", "rules", position, "required"),
                    f"The rule requires {rule.required} approvals, but names {number} {'person' if number == 1 else 'people'}.",
                    fix="Require fewer, or name more teams or users; the author of a change is not counted.",
                )


class ApproverUnknown(SpecRule[EnvironmentSpec]):
    """The `users` of a rule of approvals must be members of a Team."""

    code = "TRU1126"
    reason = (
        "A Team says which address and keys someone has; without them nobody can tell whether a change is their own."
    )
    good = _GOOD
    bad = """
        kind: Environment
        metadata: {name: prod}
        spec: {approvals: {rules: [{users: [bbo]}]}}
        #                                   ^
        ---
        kind: Team
        metadata: {name: growth}
        spec: {members: [{user: ada}, {user: bob}]}
        """

    def find(self, spec: EnvironmentSpec, document: Document, index: Index) -> Iterator[Finding]:
        known = _members((team.key.name for team in index.of_kind("Team")), index) or set()
        for position, rule in enumerate(spec.approvals.rules):
            for number, user in enumerate(rule.users):
                if user.lower() not in known:
                    yield Finding(
                        ("spec", "approvals", "rules", position, "users", number),
                        f"{user!r} is a member of no Team.",
                        fix=instead(user.lower(), sorted(known)) if known else "Add them to a Team.",
                    )


class ApprovalKindUnknown(SpecRule[EnvironmentSpec]):
    """The `kinds` of a rule of approvals must be kinds that become resources."""

    code = "TRU1127"
    reason = "No effect comes from another kind, so the rule would never ask for anything."
    good = _GOOD
    bad = """
        kind: Environment
        metadata: {name: prod}
        spec: {approvals: {rules: [{kinds: [Modle]}]}}
        #                                   ^
        """

    def find(self, spec: EnvironmentSpec, document: Document, index: Index) -> Iterator[Finding]:
        from trueup_specs.core.kinds import Layer
        from trueup_specs.kinds import KINDS

        made = [name for name, kind in KINDS.items() if kind.layer is not Layer.WORKSPACE]
        for position, rule in enumerate(spec.approvals.rules):
            for number, kind in enumerate(rule.kinds):
                if kind not in made:
                    known = kind in KINDS
                    summary = f"{kind} becomes no resource." if known else f"There is no kind {kind!r}."
                    path = ("spec", "approvals", "rules", position, "kinds", number)
                    yield Finding(path, summary, fix=instead(kind, made))


class OverrideByAnyone(SpecRule[EnvironmentSpec]):
    """A rule with `policyOverride` must say who may override."""

    code = "TRU1128"
    reason = "A policy that anyone may pass over is an advisory one."
    good = _OVERRIDE
    bad = """
        kind: Environment
        metadata: {name: prod}
        spec: {approvals: {rules: [{policyOverride: true}]}}
        #                           ^
        ---
        kind: Policy
        metadata: {name: two-servers}
        spec:
          level: soft
          match: {kinds: [Endpoint]}
          expression: document.spec.predictor.minReplicas >= 2
          message: An endpoint needs two servers.
        """

    def find(self, spec: EnvironmentSpec, document: Document, index: Index) -> Iterator[Finding]:
        for position, rule in enumerate(spec.approvals.rules):
            if rule.policy_override and not (rule.teams or rule.users or rule.codeowners):
                yield Finding(
                    ("spec", "approvals", "rules", position, "policyOverride"),
                    "Anyone could override the policies.",
                    at_key=True,
                    fix="Add `teams` or `users`, or make the policies advisory.",
                )


class OverrideOfNothing(SpecRule[EnvironmentSpec]):
    """A rule with `policyOverride` needs a Policy of level `soft`."""

    code = "TRU1129"
    severity = Severity.WARNING
    reason = "Mandatory policies are never passed over, and advisory ones refuse nothing, so the rule would do nothing."
    good = _OVERRIDE
    bad = """
        kind: Environment
        metadata: {name: prod}
        spec: {approvals: {rules: [{users: [ada], policyOverride: true}]}}
        #                                         ^
        ---
        kind: Team
        metadata: {name: growth}
        spec: {members: [{user: ada}, {user: bob}]}
        """

    def find(self, spec: EnvironmentSpec, document: Document, index: Index) -> Iterator[Finding]:
        policies = (p.spec for p in index.of_kind("Policy"))
        if any(isinstance(policy, PolicySpec) and policy.level == "soft" for policy in policies):
            return
        for position, rule in enumerate(spec.approvals.rules):
            if rule.policy_override:
                yield Finding(
                    ("spec", "approvals", "rules", position, "policyOverride"),
                    "There is no policy of level `soft` that could be overridden.",
                    at_key=True,
                    fix="Write `level: soft` in a Policy, or remove the rule.",
                )


RULES: tuple[type[Rule], ...] = (
    ApprovalsUnreachable,
    ApprovalTeamTwice,
    ApprovalRuleUnreachable,
    ApproverUnknown,
    ApprovalKindUnknown,
    OverrideByAnyone,
    OverrideOfNothing,
)
