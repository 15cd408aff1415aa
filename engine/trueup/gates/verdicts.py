"""From numbers to verdicts, with the sentence that people read. Pure; called by `judging` and by the step `compare`."""

from __future__ import annotations

from trueup.gates.checks import FAIL, INCONCLUSIVE, PASS, Check, Finding, Verdict
from trueup.gates.statistics import Estimate


def bound_verdict(lower: float, upper: float, least: float) -> Verdict:
    """Passes when the value is at least `least` with confidence, fails when it is below with confidence."""
    if lower >= least:
        return PASS
    return FAIL if upper < least else INCONCLUSIVE


def too_few(check: Check, samples: int) -> Finding:
    """A check that has not enough rows."""
    text = f"{_where(check, samples)} are too few to judge {check.metric}: {check.min_samples:,} are needed."
    return Finding(INCONCLUSIVE, text, {"samples": samples})


def undefined(check: Check, samples: int) -> Finding:
    """A metric that these rows do not define."""
    text = f"{check.metric} is not defined on {_where(check, samples)}: they hold one class only, or the model gives no probabilities."
    return Finding(INCONCLUSIVE, text, {"samples": samples})


def threshold(check: Check, found: Estimate) -> Finding:
    """A metric against the value that it must reach."""
    assert check.threshold is not None
    wanted, bound = check.threshold, "at most" if check.minimize else "at least"
    said = f"{check.metric} is {found.value:.4g} on {_where(check, found.samples)}"
    numbers = {"value": found.value, "threshold": wanted, "samples": found.samples}
    if not check.bootstrap:
        good = found.value <= wanted if check.minimize else found.value >= wanted
        return Finding(PASS if good else FAIL, f"{said}; {bound} {wanted:g} is needed.", numbers)
    low, high = (-found.upper, -found.lower) if check.minimize else (found.lower, found.upper)
    verdict = bound_verdict(low, high, -wanted if check.minimize else wanted)
    surely = (
        f"with {check.confidence:.4g} confidence it is {bound} {found.upper if check.minimize else found.lower:.4g}"
    )
    text = f"{said}; {surely}, and {bound} {wanted:g} is needed{_doubt(verdict, found)}."
    return Finding(verdict, text, {**numbers, "lower": found.lower, "upper": found.upper})


def reported(check: Check, name: str, value: float) -> Finding:
    """A metric that the pipeline reported, of which there are no rows to draw from: its value decides."""
    assert check.threshold is not None
    good = value <= check.threshold if check.minimize else value >= check.threshold
    bound = "at most" if check.minimize else "at least"
    text = f"{name} was reported as {value:.4g}; {bound} {check.threshold:g} is needed."
    return Finding(PASS if good else FAIL, text, {"value": value, "threshold": check.threshold})


def effect(check: Check, found: Estimate, ours: float, theirs: float, against: str) -> Finding:
    """How much better the candidate is than another version on the same rows."""
    assert check.min_effect is not None
    least = check.min_effect
    numbers = {
        "effect": found.value,
        "minEffect": least,
        "candidate": ours,
        "champion": theirs,
        "samples": found.samples,
    }
    better = f"{abs(found.value):.4g} {'better' if found.value >= 0 else 'worse'} than"
    said = f"{check.metric} is {ours:.4g}, {better} the {theirs:.4g} of {against} on {_where(check, found.samples)}"
    if not check.bootstrap:
        verdict = PASS if found.value >= least else FAIL
        return Finding(verdict, f"{said}; an improvement of at least {least:g} is needed.", numbers)
    verdict = bound_verdict(found.lower, found.upper, least)
    surely = f"with {check.confidence:.4g} confidence it improves by at least {found.lower:.4g}"
    text = f"{said}; {surely}, and {least:g} is needed{_doubt(verdict, found)}."
    return Finding(verdict, text, {**numbers, "lower": found.lower, "upper": found.upper})


def _doubt(verdict: Verdict, found: Estimate) -> str:
    return f", which lies between the bounds {found.lower:.4g} and {found.upper:.4g}" if verdict == INCONCLUSIVE else ""


def _where(check: Check, samples: int) -> str:
    rows = f"{samples:,} row{'' if samples == 1 else 's'}"
    return f"{rows} where {check.slice}" if check.slice else rows
