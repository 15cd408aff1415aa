"""Older plans of a pull request, carried over from the comment that is replaced. Called by `plan` and by the CI flow.

They travel as data in a hidden line, not as Markdown: what another hand wrote there is made inert again, or ignored.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable

from trueup.views.comments import blocks
from trueup.views.comments.escaping import code, plain, prose
from trueup.views.comments.fitting import whole
from trueup.views.comments.limits import UNLIMITED
from trueup.views.comments.values import Earlier
from trueup.views.words import plural, short

MOST, WIDEST = 10, 120
_DATA = re.compile(r"^<!-- trueup:data (\{.*\}) -->\r?$", re.MULTILINE)
_ENDS = {"&": "\\u0026", "<": "\\u003c", ">": "\\u003e"}
_COMMIT = re.compile(r"[0-9a-f]{0,64}")


def carried(body: str, head: str) -> tuple[Earlier, ...]:
    """The older plans after `head` was planned, newest first: those that `body` lists, and its own unless it is of `head` too."""
    found = _DATA.findall(body)
    try:
        data = json.loads(found[-1]) if found else {}
    except ValueError:
        return ()
    rows = [[data.get("commit"), data.get("summary")], *_rows(data.get("earlier"))]
    plans = [e for e in map(_entry, rows) if e is not None and not (head and e.commit == head[:40])]
    return tuple(dict.fromkeys(plans))[:MOST]


def _rows(value: object) -> list[object]:
    return list(value) if isinstance(value, list) else []


def _entry(row: object) -> Earlier | None:
    match row:
        case [str(commit), str(summary)] if _COMMIT.fullmatch(commit) and summary:
            return Earlier(commit, plain(summary, WIDEST))
    return None


def data_line(head: str, summary: str, earlier: Iterable[Earlier]) -> str:
    """The hidden line that `carried` reads. No text can end the comment that it stands in."""
    value = {
        "commit": head,
        "summary": plain(summary, WIDEST),
        "earlier": [[e.commit, plain(e.summary, WIDEST)] for e in earlier],
    }
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    for character, escape in _ENDS.items():
        text = text.replace(character, escape)
    return f"<!-- trueup:data {text} -->\n"


def fold(earlier: Iterable[Earlier]) -> str:
    """The older plans as a fold; empty where there are none."""
    lines = tuple(f"{code(short(e.commit))}: {prose(e.summary, WIDEST)}" for e in earlier)
    if not lines:
        return ""
    title = plural(len(lines), "earlier plan")
    return whole("", blocks.pieces((blocks.Fold(title, (blocks.Items(lines),)),)), "", UNLIMITED) or ""
