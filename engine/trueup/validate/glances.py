"""What a plainly written file is tied to, told from its bytes: for files that are known to be right in themselves, such as applied ones.

Called by `workspace/narrowing.py` where nothing was learned before: a look takes a tenth of reading. What is told may be more than
`cells.ties` tells of the same file and never less: a text of the form `namespace/name` stands in the bytes as it is, unless the file holds
an escape, an alias, a tag or a complex key. Such files, and those that are not plain in another way, get no answer and have to be read.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from trueup.validate.cells import Ties
from trueup_specs.core.references import NAME
from trueup_specs.kinds import KINDS

_UNTOLD = frozenset({"Overlay", "Gateway", "ObjectStore"})
"""Kinds that are tied by more than names."""
_NAME = NAME.encode()
_BEGIN = re.compile(
    rb"(?:---\n|#[^\n]*\n|\n)*apiVersion: [a-z0-9./]+\nkind: ([A-Za-z]+)\nmetadata:\n((?: +[^\n]*\n)+)(?=[a-z]|\Z)"
)
_INDENT = re.compile(rb" +")
_SPECIAL = b"\\&*?!\t\r"
_NOT_PLAIN = (b"\n---", b"\n...", b"movedFrom")
_NAMESPACE = re.compile(rb"namespace: [\"']?(" + _NAME + rb")[\"']?(?= *[\n,}])")
_NAMESPACE_LINE = re.compile(rb"^( +)" + _NAMESPACE.pattern, re.MULTILINE)
_SECOND = re.compile(rb"/(?=" + _NAME + rb"(?![\w./-]))")
_FIRST = re.compile(rb"[\s\"'\[{,:](" + _NAME + rb")\Z")


def ties(data: bytes, default: str) -> Ties | None:
    """At least the ties of a right file of one document, all but the paths that it names; None where its bytes do not tell.

    `default` is the namespace of documents that name none.
    """
    plain = len(data.translate(None, _SPECIAL)) == len(data) and not any(words in data for words in _NOT_PLAIN)
    begin = _BEGIN.match(data) if plain else None
    kind = KINDS.get(begin[1].decode()) if begin is not None else None
    if begin is None or kind is None or kind.name in _UNTOLD:
        return None
    named = _NAMESPACE.findall(data)
    if len(named) != data.count(b"namespace"):
        return None
    own = default
    if b"namespace" in begin[2]:
        indent = _INDENT.match(begin[2])
        found = _NAMESPACE_LINE.findall(begin[2])
        if indent is None or len(found) != 1 or found[0][0] != indent[0] or begin[2].count(b"namespace") != 1:
            return None
        own = found[0][1].decode()
    namespace = own if kind.namespaced else ""
    mentioned = {name.decode() for name in (*named, *_qualifying(data, begin.end(1)))} - {namespace}
    return Ties(frozenset({namespace}), frozenset(mentioned))


def _qualifying(data: bytes, start: int) -> Iterator[bytes]:
    """The first names of what looks like `namespace/name`; slashes are few, so they are looked for first."""
    for slash in _SECOND.finditer(data, start):
        if (first := _FIRST.search(data, max(0, slash.start() - 64), slash.start())) is not None:
            yield first[1]
