"""CODEOWNERS, as GitHub reads it: who owns a path. Pure; the text is given (of the base branch). Called by `requirements`.

What is read: one pattern a line with its owners, the last pattern that matches wins, and one without owners takes them away. `*`
and `?` stay within a folder, `**` crosses them, a leading or inner `/` anchors at the top, a folder stands for all below it, `docs/*`
for its own files only. As on GitHub, `!` and `[ ]` are no patterns; the sections of GitLab are passed over, their lines read.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

PLACES = (".github/CODEOWNERS", ".gitea/CODEOWNERS", ".gitlab/CODEOWNERS", "CODEOWNERS", "docs/CODEOWNERS")
"""Where the file may stand, from the repository's top; the first that is there holds."""
_SPACE = re.compile(r"(?<!\\)\s+")
_TOKEN = re.compile(r"\*\*|\*|\?|[^*?]+")


@dataclass(frozen=True)
class Codeowners:
    """The lines of a file, the last first."""

    lines: tuple[tuple[re.Pattern[str], tuple[str, ...]], ...] = ()

    def owners(self, path: str) -> tuple[str, ...]:
        """The owners of a path from the repository's top, as they are written; none where nobody owns it."""
        return next((owners for pattern, owners in self.lines if pattern.match(path)), ())


def parse(text: str) -> Codeowners:
    """Reads a file. A line that is no pattern is passed over, as the forges do."""
    return Codeowners(tuple(reversed(list(_lines(text)))))


def _lines(text: str) -> Iterator[tuple[re.Pattern[str], tuple[str, ...]]]:
    for line in text.splitlines():
        words = _SPACE.split(_uncommented(line).strip())
        pattern = words[0].replace("\\ ", " ")
        if pattern and not pattern.startswith(("!", "[", "^[")) and "[" not in pattern:
            yield _compiled(pattern), tuple(w for w in words[1:] if "@" in w)


def _uncommented(line: str) -> str:
    return re.split(r"(?:^|\s)#", line, maxsplit=1)[0]


def _compiled(pattern: str) -> re.Pattern[str]:
    inner = pattern.strip("/")
    anchored = pattern.startswith("/") or "/" in inner
    start = "" if anchored and not inner.startswith("**/") else "(?:.*/)?"
    body = "".join(_translated(t) for t in _TOKEN.findall(inner.removeprefix("**/")))
    if pattern.endswith("/"):
        end = "/.*"
    elif inner.endswith("/*"):
        end = ""
    else:
        end = "(?:/.*)?"
    return re.compile(rf"{start}{body}{end}\Z", re.DOTALL)


def _translated(token: str) -> str:
    return {"**": ".*", "*": "[^/]*", "?": "[^/]"}.get(token) or re.escape(token)
