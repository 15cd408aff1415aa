"""What a plan costs, as words. Sees the value only."""

from __future__ import annotations

from trueup.plan.values import Cost


def phrase(cost: Cost) -> str:
    """`120 → 180 EUR a month, 60 more, 420 with every autoscaler at its maximum`; why it is not known, where it is not."""
    if cost.unknown:
        return f"not known: {cost.unknown}"
    most = f", {money(cost.most)} with every autoscaler at its maximum" if cost.most > cost.after else ""
    if money(cost.before) == money(cost.after):
        return f"{money(cost.after)} {cost.currency} a month, as before{most}"
    change = f"{money(abs(cost.increase))} {'more' if cost.increase > 0 else 'less'}"
    return f"{money(cost.before)} → {money(cost.after)} {cost.currency} a month, {change}{most}"


def money(amount: float) -> str:
    """`0.42`, `87.5`, `1,204`: as exact as it matters."""
    if amount >= 100:
        return f"{amount:,.0f}"
    return f"{amount:.2f}".rstrip("0").rstrip(".") if amount else "0"
