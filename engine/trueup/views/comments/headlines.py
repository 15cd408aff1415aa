"""The first ten lines of a plan's comment: what happens, where, what it risks, costs and reaches, what decides and who must approve.

Nothing here is ever cut away by fitting; each line is bounded by itself instead.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator

from trueup.plan.values import Action
from trueup.views import costs
from trueup.views.comments import risks
from trueup.views.comments.escaping import code, plain, prose
from trueup.views.comments.risks import BLOCKED, CALM, WARNED, Hazard
from trueup.views.comments.values import EnvironmentPlan, PullRequestPlan
from trueup.views.words import plural, short
from trueup_specs.core.diagnostics import Severity

NAME = 80


def head(review: PullRequestPlan, cap: int = 420) -> str:
    """Heading and lines; `cap` bounds the characters of each line."""
    lines = [f"- {line}" for line in _lines(review, cap)]
    return "".join(f"{line}\n" for line in (_heading(review), *([""] if lines else []), *lines))


def summary(review: PullRequestPlan) -> str:
    """The whole plan in one line of plain text, as it stays in the list of older plans."""
    if review.problems:
        return plain(f"no plan: {review.problems[0]}")
    if review.invalid:
        return f"the specs have {_errors(review)}"
    changing = [e for e in review.environments if not e.plan.empty]
    if not changing:
        return "nothing to do"
    return plain("; ".join(f"{e.plan.environment}: {risks.headline(e.plan)}" for e in changing), 300)


def _errors(review: PullRequestPlan) -> str:
    return plural(sum(d.severity is Severity.ERROR for d in review.invalid), "error")


def _heading(review: PullRequestPlan) -> str:
    sign = risks.worst(review)
    if review.problems:
        return f"## {sign} Trueup: this cannot be planned"
    if review.invalid:
        return f"## {sign} Trueup: the specs have {_errors(review)}, so nothing is planned"
    changing = [e for e in review.environments if not e.plan.empty]
    if not changing:
        where = listed([code(e.plan.environment, NAME) for e in review.environments], 200)
        return f"## {sign} Trueup: nothing changes in {where or 'any environment'}"
    where = listed([code(e.plan.environment, NAME) for e in changing], 200)
    steps = [s for e in changing for s in e.plan.steps]
    return f"## {sign} Trueup{', blocked' if sign == BLOCKED else ''}: {risks.counts(steps)} in {where}"


def _lines(review: PullRequestPlan, cap: int) -> Iterator[str]:
    if review.problems:
        yield from (f"{BLOCKED} {prose(p, cap)}" for p in review.problems[:5])
        return
    if review.invalid or not review.environments:
        return
    yield f"**Where**: {_where(review, cap)}"
    yield f"**Risk**: {_risk(review.environments, cap)}"
    changing = [e for e in review.environments if not e.plan.empty]
    if not changing:
        return
    for title, line in (
        ("Runs", _runs),
        ("Downstream", _downstream),
        ("Cost", _cost),
        ("Gates", _gates),
        ("Approvals", _approvals),
    ):
        yield f"**{title}**: {line(changing, cap)}"


def listed(parts: Iterable[str], cap: int, joint: str = ", ") -> str:
    """As many parts as `cap` characters hold, at least one, and how many more there are."""
    found = list(parts)
    shown, length = 0, 0
    for part in found:
        length += len(part) + len(joint)
        if shown and length > cap:
            break
        shown += 1
    more = f"{joint}and {len(found) - shown} more" if shown < len(found) else ""
    return joint.join(found[:shown]) + more


def _where(review: PullRequestPlan, cap: int) -> str:
    planned = [f"{code(e.plan.environment, NAME)}: {_state(e)}" for e in review.environments]
    moved = [f"{code(name, NAME)} is new, and is planned once it is merged" for name in review.added]
    moved += [f"{code(name, NAME)} is removed{_stays(name, count)}" for name, count in review.removed]
    return listed([*moved, *planned], cap, "; ")


def _state(environment: EnvironmentPlan) -> str:
    return "nothing is there" if environment.vacant else risks.headline(environment.plan)


def _stays(name: str, count: int) -> str:
    if not count:
        return ""
    there = f"{plural(count, 'resource')} of it {'stays' if count == 1 else 'stay'}"
    return f", and {WARNED} {there} until {code(f'trueup destroy {name}', NAME)}"


def _risk(environments: tuple[EnvironmentPlan, ...], cap: int) -> str:
    many = len(environments) > 1
    found = risks.hazards(environments)
    lost = [h for h in found if h.loses_data and h.step.action is not Action.MAYBE_REPLACE]
    others = [h for h in found if h not in lost]
    stops = list(_stops(environments))
    parts = [f"{BLOCKED} **blocked**: {listed(stops, cap)}"] if stops else []
    if lost:
        verbs = " and ".join(dict.fromkeys(risks.WORDS_OF_HAZARDS[h.step.action] for h in lost))
        parts.append(f"{BLOCKED} **data is lost**: {verbs} {_named(lost, cap, many)}")
    if others:
        parts.append(f"{WARNED} {_grouped(others, cap, many)}")
    if not parts:
        changing = any(not e.plan.empty for e in environments)
        return f"{CALM} {'nothing is replaced or deleted' if changing else 'none'}"
    return "; ".join(parts)


def _stops(environments: tuple[EnvironmentPlan, ...]) -> Iterator[str]:
    """What only another commit can put right."""
    for environment in environments:
        if number := risks.errors(environment):
            yield f"{plural(number, 'error')} in {code(environment.plan.environment, NAME)}"
    verdicts = [v for e in environments for v in risks.refusals(e.plan, mandatory=True)]
    yield from dict.fromkeys(f"policy {code(v.policy, NAME)} refuses {code(v.object, NAME)}" for v in verdicts)


def _named(found: list[Hazard], cap: int, many: bool) -> str:
    """Names; each once, with its environments where there are several."""
    names: dict[str, list[str]] = {}
    for hazard in found:
        names.setdefault(code(hazard.step.origin, NAME), []).append(code(hazard.environment, NAME))
    return listed((f"{n} ({', '.join(dict.fromkeys(e))})" if many else n for n, e in names.items()), cap)


def _grouped(found: list[Hazard], cap: int, many: bool) -> str:
    """The worst kind of step with names, the others counted."""
    action = next(a for a in risks.WORDS_OF_HAZARDS if any(h.step.action is a for h in found))
    worst = [h for h in found if h.step.action is action]
    others = [h.step for h in found if h.step.action is not action]
    more = f"; also {risks.counts(others)}" if others else ""
    return f"{risks.WORDS_OF_HAZARDS[action]} {_named(worst, cap, many)}{more}"


def _each(environments: list[EnvironmentPlan], say: Callable[[EnvironmentPlan], str], cap: int) -> str:
    """What is to be said of each environment: each thing once, behind the environments that it holds for."""
    said: dict[str, list[str]] = {}
    for environment in environments:
        if text := say(environment):
            said.setdefault(text, []).append(code(environment.plan.environment, NAME))
    if len(environments) == 1:
        return "".join(said)
    return listed((f"{listed(names, 200)}: {text}" for text, names in said.items()), cap, "; ")


def _runs(environments: list[EnvironmentPlan], cap: int) -> str:
    def say(environment: EnvironmentPlan) -> str:
        runs = environment.plan.evidence.runs
        if not runs:
            return ""
        time = risks.run_time(environment.plan)
        return f"{listed((code(n, NAME) for n, _ in runs), cap // 2)}, {time or 'for how long is not known yet'}"

    said = _each(environments, say, cap)
    return f"trains {said}" if said and len(environments) == 1 else said or "nothing is trained"


def _downstream(environments: list[EnvironmentPlan], cap: int) -> str:
    keys = dict.fromkeys(k for e in environments for k in e.plan.evidence.downstream)
    if not keys:
        return "nothing else is reached"
    kinds = Counter(k.partition("/")[0] for k in keys)
    counted = listed((f"{n} {code(kind, NAME)}" for kind, n in sorted(kinds.items(), key=_rank)), cap // 2)
    ranked = sorted(keys, key=lambda k: (_rank((k.partition("/")[0], 0)), k))
    return f"{counted}: {listed((code(k, NAME) for k in ranked), cap // 2)}"


def _rank(kind: tuple[str, int]) -> tuple[int, str]:
    """What serves people first."""
    order = ("Endpoint", "Model", "Monitor", "Pipeline")
    return (order.index(kind[0]) if kind[0] in order else len(order), kind[0])


def _cost(environments: list[EnvironmentPlan], cap: int) -> str:
    return _each(environments, lambda e: prose(costs.phrase(e.plan.evidence.cost), cap // 2), cap)


def _gates(environments: list[EnvironmentPlan], cap: int) -> str:
    parts = []
    if deciding := list(dict.fromkeys(pair for e in environments for pair in risks.gates(e))):
        names = (code(g, NAME) if g != m else f"those of {code(m, NAME)}" for g, m in deciding)
        verb = "decides" if len(deciding) == 1 and deciding[0][0] != deciding[0][1] else "decide"
        parts.append(f"{listed(names, cap // 2)} {verb} whether the new version is used")
    if policies := _policies(environments, cap):
        parts.append(policies)
    return "; ".join(parts) or "none"


def _policies(environments: list[EnvironmentPlan], cap: int) -> str:
    verdicts = [v for e in environments for v in e.plan.evidence.verdicts]
    judged = plural(len({v.policy for v in verdicts}), "policy")
    refused = dict.fromkeys(v.policy for v in verdicts if not v.allowed)
    if not refused:
        return f"{CALM} {judged} passed" if verdicts else ""
    sign = BLOCKED if any(v.level == "mandatory" and not v.allowed for v in verdicts) else WARNED
    return f"{sign} {len(refused)} of {judged} refused: {listed((code(p, NAME) for p in refused), cap // 2)}"


def _approvals(environments: list[EnvironmentPlan], cap: int) -> str:
    def say(environment: EnvironmentPlan) -> str:
        lacking = risks.missing(environment)
        given = listed((prose(a, 120) for a in environment.approved), cap // 3)
        by = f"; so far approved by {given}" if given else ""
        if lacking:
            return f"{WARNED} missing: {listed((prose(_brief(m), 160) for m in lacking), cap // 2, '; ')}{by}"
        if environment.approved:
            return f"{CALM} approved by {given}"
        return ""

    return _each(environments, say, cap) or f"{CALM} none needed"


def _brief(sentence: str) -> str:
    """A long sentence without what it puts in brackets or behind a colon: the fold has all of it."""
    ends = [at for mark in (" (", ": ") if (at := sentence.find(mark, 20)) > 0]
    return sentence[: min(ends)] if len(sentence) > 120 and ends else sentence


def seals(review: PullRequestPlan) -> str:
    """What was planned, in small print."""
    parts = []
    if review.head:
        onto = f" merged into {code(short(review.base))}" if review.base else ""
        by = f" by {code(review.author, NAME)}" if review.author else ""
        parts.append(f"{code(short(review.head))}{by}{onto}")
    sealed = [e.plan for e in review.environments if e.plan.seal]
    if sealed:
        each = listed(
            (
                f"{code(p.seal_digest[:16])} over {plural(len(p.seal), 'effect')} of {code(p.environment, NAME)}"
                for p in sealed
            ),
            300,
        )
        parts.append(f"seal {each}, which holds over a squash merge")
    return f"<sub>{'; '.join(parts)}.</sub>\n" if parts else ""
