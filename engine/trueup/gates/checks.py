"""What a gate asks and what it found, as values. Read from `trueup:run:Gate`'s inputs; used by `verdicts`, `judging` and the provider."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

Verdict = Literal["pass", "fail", "inconclusive"]
PASS: Verdict = "pass"
FAIL: Verdict = "fail"
INCONCLUSIVE: Verdict = "inconclusive"


@dataclass(frozen=True, slots=True)
class Check:
    """One proof: a threshold, an effect against another version, or both."""

    metric: str
    name: str = ""
    minimize: bool = False
    threshold: float | None = None
    min_effect: float | None = None
    bootstrap: bool = True
    """Whether a confidence bound decides; otherwise the value itself does."""
    confidence: float = 0.95
    min_samples: int = 100
    slice: str | None = None

    @classmethod
    def read(cls, raw: Mapping[str, Any]) -> Check:
        """The check as the compiler wrote it; what is left out has the default of the kind."""
        return cls(
            metric=str(raw["metric"]),
            name=str(raw.get("name") or ""),
            minimize=raw.get("direction") == "minimize",
            threshold=_number(raw.get("threshold")),
            min_effect=_number(raw.get("minEffect")),
            bootstrap=(raw.get("test") or "pairedBootstrap") != "none",
            confidence=float(raw.get("confidence") or 0.95),
            min_samples=int(raw.get("minSamples") or 100),
            slice=raw.get("slice") or None,
        )


@dataclass(frozen=True, slots=True)
class Opponent:
    """The version that a candidate is compared with."""

    model: str
    version: int


@dataclass(frozen=True, slots=True)
class Gate:
    """One gate: its checks, the rows, and who the candidate is compared with."""

    name: str
    checks: tuple[Check, ...]
    hold_inconclusive: bool = True
    resamples: int = 2000
    rows: Mapping[str, Any] | None = None
    """`{uri, version}` of a table, `uri` resolved; None for the rows that the run held out."""
    compare_to: str = "champion"
    opponent: Opponent | None = None

    @classmethod
    def read(cls, raw: Mapping[str, Any]) -> Gate:
        """The gate as the provider describes it to the process that judges."""
        against = raw.get("opponent")
        return cls(
            name=str(raw["name"]),
            checks=tuple(Check.read(c) for c in raw.get("checks") or ()),
            hold_inconclusive=(raw.get("onInconclusive") or "hold") == "hold",
            resamples=int(raw.get("resamples") or 2000),
            rows=raw.get("dataset") or None,
            compare_to=str(raw.get("compareTo") or "champion"),
            opponent=Opponent(str(against["model"]), int(against["version"])) if against else None,
        )


@dataclass(frozen=True, slots=True)
class Finding:
    """What a check came to, with its numbers and a sentence."""

    verdict: Verdict
    text: str
    numbers: Mapping[str, float | int] = field(default_factory=dict)

    def evidence(self, gate: str, check: Check, kind: Literal["threshold", "effect"]) -> dict[str, Any]:
        """As outputs and views take it."""
        found: dict[str, Any] = {
            "gate": gate,
            "check": check.name or check.metric,
            "metric": check.metric,
            "kind": kind,
            "verdict": self.verdict,
            "text": self.text,
            **self.numbers,
        }
        if check.bootstrap:
            found["confidence"] = check.confidence
        if check.slice:
            found["slice"] = check.slice
        return found


def holds(evidence: Mapping[str, Any], hold_inconclusive: bool) -> bool:
    """Whether a check's result holds the candidate back."""
    return evidence["verdict"] == FAIL or (evidence["verdict"] == INCONCLUSIVE and hold_inconclusive)


def _number(value: Any) -> float | None:
    return None if value is None else float(value)
