"""Which of two versions comes first, as the packages' own tools see it: PyPI's (PEP 440), Debian's and Ubuntu's, Alpine's and Wolfi's.

Called by `advisories`. Debian's order is that of deb-version(7).
"""

from __future__ import annotations

import re
from itertools import zip_longest

_APK = re.compile(r"^(\d+(?:\.\d+)*)([a-z]?)((?:_(?:alpha|beta|pre|rc|cvs|svn|git|hg|p)\d*)*)(?:-r(\d+))?$")
_SUFFIXES = ("alpha", "beta", "pre", "rc", "", "cvs", "svn", "git", "hg", "p")


def earlier(ecosystem: str, one: str, other: str) -> bool:
    """Whether version `one` comes before `other`. Raises ValueError where one of them is none."""
    family = ecosystem.partition(":")[0]
    if family == "PyPI":
        from packaging.version import InvalidVersion, Version

        try:
            return Version(one) < Version(other)
        except InvalidVersion as error:
            raise ValueError(str(error)) from None
    if family in ("Debian", "Ubuntu"):
        return _debian(one, other) < 0
    return _apk(one) < _apk(other)


def _debian(one: str, other: str) -> int:
    left, right = _split(one), _split(other)
    return next((c for a, b in zip(left, right, strict=True) if (c := _compared(a, b))), 0)


def _split(version: str) -> tuple[str, str, str]:
    """Epoch, upstream version, revision."""
    epoch, colon, rest = version.partition(":")
    upstream, dash, revision = (rest if colon else version).rpartition("-")
    return (epoch if colon else "0", upstream if dash else revision, revision if dash else "0")


def _compared(one: str, other: str) -> int:
    left, right = (re.findall(r"(\D*)(\d*)", text) for text in (one, other))
    for (a_text, a_number), (b_text, b_number) in zip_longest(left, right, fillvalue=("", "")):
        for a, b in zip_longest(map(_rank, a_text), map(_rank, b_text), fillvalue=0):
            if a != b:
                return -1 if a < b else 1
        if (a := int(a_number or 0)) != (b := int(b_number or 0)):
            return -1 if a < b else 1
    return 0


def _rank(character: str) -> int:
    """`~` before the end, then letters, then the rest."""
    return -1 if character == "~" else ord(character) + (0 if character.isalpha() else 256)


def _apk(version: str) -> tuple[tuple[int, ...], str, tuple[tuple[int, int], ...], int]:
    found = _APK.match(version)
    if found is None:
        raise ValueError(f"{version!r} is no version of an apk package")
    suffixes = re.findall(r"_([a-z]+)(\d*)", found[3])
    ranked = tuple((_SUFFIXES.index(n), int(d or 0)) for n, d in suffixes)
    return tuple(map(int, found[1].split("."))), found[2], (*ranked, (_SUFFIXES.index(""), 0)), int(found[4] or 0)
