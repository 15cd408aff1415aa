"""YAML in two ways: values of the bulk by a fast reader, and nodes with positions where something must be pointed at.

The bulk reader is `yaml-rs`: of the quick readers that were tried on the YAML test suite it alone refuses duplicate keys and bounds
aliases (`tests/unit/load/test_yaml.py` runs the cases that matter). It differs from YAML 1.2's core schema in a few things (tags,
`1_000`, `0b1`, streams that look like lists), so a file that holds any of them is read through nodes instead, as is
every file with an error. Nodes come from ruamel.yaml's events and are built without recursion, within limits.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from trueup.load.nodes import Node, scalar, value_of
from trueup_specs.core.diagnostics import Diagnostic, Related, Severity
from trueup_specs.core.positions import Location

LARGEST_FILE = 512 * 1024
"""Bytes."""
DEEPEST = 64
MOST_DOCUMENTS = 1000
MOST_VALUES = 10_000
"""Keys and values of one file, those that aliases repeat counted each time: what can be read with places in about a second."""

UNREADABLE, TOO_LARGE, SYNTAX, DUPLICATE, TOO_DEEP, TOO_MANY, TAG, KEY, NUMBER, CONTROL = (
    f"TRU00{n:02}" for n in range(1, 11)
)
_CLOSER = re.compile(r"[&!?](?:(?<=[\s\[{,:-][&!])\S|(?<=[\s\[{,]\?))")
"""Anchors, tags and complex keys: what the bulk reader reads in its own way, or what has to be counted, after a line's end or another
character that ends what stands before it."""
_ODD_NUMBER = re.compile(
    r"[_.0-9](?:(?<=[\s\[{,:].)|(?<=[\s\[{,:][-+].))(?:(?<=_)|\S*_|(?<=0)[xXoObB]|(?<=\.)(?:[nN][aA][nN]|[iI][nN][fF]))"
)
"""Numbers in forms that readers differ about. The search begins with a class of characters that are rare, so it is several times as quick
as one that begins with what may stand before them."""
_ODD_HINT = re.compile(r"0[xXoObB]|\.[nNiI]")
_NO_KEY = re.compile(r"\n\s*:")
_UNCLEAR = re.compile(r"[\[{,]\s*(\?)[^\s,\[\]{}]|(:)[,\]}]")
"""Flow entries such as `[?x]` and `{x:, y}`: the grammar and ruamel differ about what is text there and what a key."""
_BREAKS = re.compile("[\t\x85\u2028\u2029\ufeff]")
_COMPACT = re.compile(r"^(?:---)? *-(?: +[-?:]){7}", re.MULTILINE)
"""Sequences that begin within each other on one line: the bulk reader recurses on them without end."""
_MARK_OF_ORDER = "\ufeff"
_LONG = 300
_DIGITS = re.compile(rf"\d{{{_LONG}}}")
_PLACE = re.compile(r"line (\d+), column (\d+)")
_MARK = re.compile(r"^---(?=\s|$)", re.MULTILINE)
_FORBIDDEN = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ufffe\uffff]")
_PLAIN_BYTES = bytes([9, 10, 13, *range(0x20, 0x7F)])
_STANDARD = "tag:yaml.org,2002:"
_TAGS = frozenset(f"{_STANDARD}{n}" for n in ("str", "int", "float", "bool", "null", "map", "seq")) | {"!"}


@dataclass(frozen=True)
class Read:
    """What a file holds: the values of its documents, their nodes where they were needed, and what is wrong with it."""

    values: tuple[Any, ...] = ()
    nodes: tuple[Node, ...] = ()
    diagnostics: tuple[Diagnostic, ...] = ()


class _Wrong(Exception):
    def __init__(self, diagnostic: Diagnostic) -> None:
        self.diagnostic = diagnostic


def read(file: str, data: bytes) -> Read:
    """The documents of a file: quickly where nothing is wrong with it, else with a diagnostic for each thing that is."""
    problem = _outside(file, data)
    if problem is not None:
        return Read(diagnostics=(problem,))
    text = text_of(data)
    values = quick(text)
    return Read(values=tuple(values)) if values is not None else closely(file, text)


def text_of(data: bytes) -> str:
    """The text of a UTF-8 file without its mark and with a line end at its end: without one, readers differ about the last line."""
    text = data.decode().removeprefix(_MARK_OF_ORDER)
    return text if text.endswith("\n") else text + "\n"


def quick(text: str) -> list[Any] | None:
    """The values of a text's documents by the bulk reader; None where it has to be read closely."""
    import yaml_rs

    if _needs_care(text):
        return None
    try:
        found = yaml_rs.loads(text, parse_datetime=False, duplicate_key_policy=yaml_rs.DuplicateKeyPolicy.Error)
    except (yaml_rs.YAMLDecodeError, RecursionError, OverflowError):
        return None
    if not _plain(found):
        return None
    if isinstance(found, dict):
        return [found]
    if not isinstance(found, list) or len(found) != _documents(text) or len(found) > MOST_DOCUMENTS:
        return None
    return [v for v in found if v is not None] if all(v is None or isinstance(v, dict) for v in found) else None


def _plain(value: Any) -> bool:
    """Whether every key at any depth is text, and there are no more and no deeper values than may be."""
    number, depth, level = 1, 0, [value] if isinstance(value, (dict, list)) else []
    while level:
        below: list[Any] = []
        for inner in level:
            if type(inner) is dict:
                for key in inner:
                    if type(key) is not str:
                        return False
                number += 2 * len(inner)
                below += [v for v in inner.values() if type(v) is dict or type(v) is list]
            else:
                number += len(inner)
                below += [v for v in inner if type(v) is dict or type(v) is list]
        if depth >= DEEPEST:
            return False
        depth, level = depth + 1, below
    return number <= MOST_VALUES


def _needs_care(text: str) -> bool:
    """Whether a text holds, or may hold, what the bulk reader reads in its own way. Asked of every file: what is rare is looked for by
    single texts first, and the patterns are searched where one of those was found."""
    lines = f"\n{text}"
    if ("- -" in text or "-  " in text or "- :" in text) and _COMPACT.search(text):
        return True
    if "\t" in text or (not text.isascii() and _BREAKS.search(text)):
        return True
    if "<<" in text or ":," in text or ":]" in text or ":}" in text or "\n%" in lines:
        return True
    if ("&" in text or "!" in text or "?" in text) and _CLOSER.search(lines):
        return True
    if ("_" in text or _ODD_HINT.search(text)) and _ODD_NUMBER.search(lines):
        return True
    if (" :" in text or "\n:" in lines or "\r" in text or not text.isascii()) and _NO_KEY.search(lines):
        return True
    last = text[text.rstrip().rfind("\n") + 1 :]
    if "|" in last or ">" in last:  # readers differ about a block scalar of nothing at the end
        return True
    return any(c.isdigit() for c in text[::_LONG]) and _DIGITS.search(text) is not None


def _documents(text: str) -> int:
    """The number of documents that the markers of a text make; 0 where only nodes can tell."""
    marks = [m.start() for m in _MARK.finditer(text)]
    if not marks:
        return 0
    before = text[: marks[0]]
    leading = any(line.strip() and not line.lstrip().startswith("#") for line in before.splitlines())
    found = len(marks) + leading
    return found if found > 1 else 0


def closely(file: str, text: str) -> Read:
    """The documents of a text with their nodes, and every problem that can be seen."""
    problems: list[Diagnostic] = []
    nodes: list[Node] = []
    try:
        for node in _compose(file, text, problems):
            nodes.append(node)
            if len(nodes) > MOST_DOCUMENTS:
                raise _Wrong(
                    _error(
                        TOO_MANY,
                        f"The file holds more than {MOST_DOCUMENTS} documents.",
                        file,
                        node.line,
                        node.column,
                        "Split it.",
                    )
                )
    except _Wrong as wrong:
        problems.append(wrong.diagnostic)
    if not problems and (doubt := _doubt(file, text, nodes)) is not None:
        problems.append(doubt)
    if problems:
        return Read(nodes=tuple(nodes), diagnostics=tuple(problems))
    kept = [n for n in nodes if n.kind != "scalar" or n.value is not None]
    return Read(tuple(value_of(n) for n in kept), tuple(kept))


def _doubt(file: str, text: str, nodes: list[Node]) -> Diagnostic | None:
    """What the grammar refuses though ruamel reads it, and what the two read as different things: neither is guessed at."""
    import yaml_rs

    try:
        other = yaml_rs.loads(text, parse_datetime=False, duplicate_key_policy=yaml_rs.DuplicateKeyPolicy.LastWins)
    except yaml_rs.YAMLDecodeError as error:
        first, *rest = str(error).strip().splitlines()
        place = _PLACE.search(first)
        what = (rest[-1] if rest else first).strip().rstrip(".")
        line, column = (int(place[1]), int(place[2])) if place else (1, 1)
        return _error(SYNTAX, f"This is not YAML: {what}.", file, line, column, _hint(what))
    found = _UNCLEAR.search(text)
    values = [value_of(n) for n in nodes]
    if found is None or repr(other if len(values) != 1 else [other]) == repr(values):
        return None
    start = found.start(found.lastindex or 0)
    line, column = text.count("\n", 0, start) + 1, start - text.rfind("\n", 0, start)
    return _error(
        SYNTAX,
        f"YAML readers differ about this {text[start]!r} in a flow value.",
        file,
        line,
        column,
        "Quote the text that holds it, or set it off with blanks.",
    )


def _outside(file: str, data: bytes) -> Diagnostic | None:
    """What is wrong with the bytes themselves."""
    if len(data) > LARGEST_FILE:
        return _error(
            TOO_LARGE,
            f"The file has {len(data):,} bytes; the most is {LARGEST_FILE:,}.",
            file,
            fix="Split it, or exclude it in trueup.yaml if it is no spec.",
        )
    try:
        text = data.decode().removeprefix(_MARK_OF_ORDER)
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        column = len(data[data.rfind(b"\n", 0, error.start) + 1 : error.start].decode("utf-8", "replace")) + 1
        return _error(UNREADABLE, "The file is not UTF-8 text.", file, line, column, "Save it as UTF-8.")
    if len(text) == len(data) and not data.translate(None, _PLAIN_BYTES):
        return None
    found = _FORBIDDEN.search(text)
    if found is None:
        return None
    line = text.count("\n", 0, found.start()) + 1
    column = found.start() - text.rfind("\n", 0, found.start())
    return _error(
        CONTROL,
        f"The character U+{ord(found[0]):04X} is not allowed in YAML.",
        file,
        line,
        column,
        "Remove it, or write it as an escape in double quotes.",
    )


def _compose(file: str, text: str, problems: list[Diagnostic]) -> Iterator[Node]:
    """The documents of a text as nodes."""
    from ruamel.yaml import YAML
    from ruamel.yaml.error import MarkedYAMLError

    builder = _Builder(file, problems)
    try:
        for event in YAML(typ="safe", pure=True).parse(text):
            root = builder.take(event)
            if root is not None:
                yield root
    except MarkedYAMLError as error:
        begun = str(error.context or "").startswith("while scanning a simple key")
        mark = (error.context_mark if begun else error.problem_mark) or error.problem_mark or error.context_mark
        line, column = (mark.line + 1, mark.column + 1) if mark else (1, 1)
        what = " ".join(str(part) for part in (error.context, error.problem) if part)
        raise _Wrong(_error(SYNTAX, f"This is not YAML: {what}.", file, line, column, _hint(what))) from None
    except _Wrong:
        raise
    except Exception as error:  # noqa: BLE001 — whatever the reader stumbles over in a hostile text is that text's problem
        raise _Wrong(_error(SYNTAX, f"This is not YAML: {_one_line(error)}.", file, *builder.place)) from None


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split()).rstrip(".") or type(error).__name__


def _hint(what: str) -> str:
    if "could not find expected ':'" in what or "simple key expect" in what:
        return "Put a colon and a blank after the key."
    if "expected <block end>" in what:
        return "Line it up: what belongs together is indented by the same number of blanks."
    if "mapping values are not allowed" in what:
        return "Quote the text if its colon is meant, or indent the line as a mapping."
    if "\\t" in what or "tab" in what:
        return "Indent with blanks."
    if "undefined alias" in what:
        return "Define the anchor with `&name` before it is used, or quote the text if it begins with `*`."
    return ""


class _Builder:
    """Builds nodes from events, without recursion, within the limits."""

    def __init__(self, file: str, problems: list[Diagnostic]) -> None:
        self._file = file
        self._problems = problems
        self._open: list[tuple[Node, list[Node], str | None]] = []
        self._anchors: dict[str, Node] = {}
        self._weights: dict[int, int] = {}
        self._weight = 0
        self.place = (1, 1)
        """Where the last event stood."""

    def take(self, event: Any) -> Node | None:
        """Takes the next event; the root of a document that ended, else None."""
        name = type(event).__name__
        line, column = self.place = event.start_mark.line + 1, event.start_mark.column + 1
        match name:
            case "DocumentStartEvent":
                self._anchors.clear()
            case "ScalarEvent":
                return self._add(self._scalar(event, line, column), event.anchor)
            case "AliasEvent":
                return self._add(self._alias(event.anchor, line, column), None)
            case "MappingStartEvent" | "SequenceStartEvent":
                self._start("mapping" if name[0] == "M" else "sequence", event, line, column)
            case "MappingEndEvent" | "SequenceEndEvent":
                return self._end()
        return None

    def _start(self, kind: Any, event: Any, line: int, column: int) -> None:
        if len(self._open) >= DEEPEST:
            raise _Wrong(_error(TOO_DEEP, f"Values are nested more than {DEEPEST} deep.", self._file, line, column))
        self._tagged(event, line, column)
        self._open.append((Node(kind, line, column), [], str(event.anchor) if event.anchor else None))

    def _end(self) -> Node | None:
        node, children, anchor = self._open.pop()
        if node.kind == "sequence":
            node.items = children
        else:
            node.pairs = list(zip(children[::2], children[1::2], strict=True))
            self._keys(node)
        self._weights[id(node)] = 1 + sum(self._weights.get(id(c), 1) for c in children)
        return self._add(node, anchor)

    def _add(self, node: Node, anchor: Any) -> Node | None:
        self._weight += 1
        if self._weight > MOST_VALUES or self._weights.get(id(node), 1) > MOST_VALUES:
            raise _Wrong(
                _error(
                    TOO_MANY,
                    f"The file holds more than {MOST_VALUES:,} values, aliases counted each time.",
                    self._file,
                    node.line,
                    node.column,
                    "Write out less with aliases.",
                )
            )
        if anchor:
            self._anchors[str(anchor)] = node
        if not self._open:
            return node
        self._open[-1][1].append(node)
        return None

    def _alias(self, name: Any, line: int, column: int) -> Node:
        found = self._anchors.get(str(name))
        if found is None:
            raise _Wrong(
                _error(
                    SYNTAX,
                    f"There is no anchor &{name} before this alias.",
                    self._file,
                    line,
                    column,
                    "Define it before, or quote the text.",
                )
            )
        self._weight += self._weights.get(id(found), 1) - 1
        copy = Node(found.kind, line, column, found.value, found.pairs, found.items)
        self._weights[id(copy)] = self._weights.get(id(found), 1)
        return copy

    def _scalar(self, event: Any, line: int, column: int) -> Node:
        tag = self._tagged(event, line, column)
        try:
            value = scalar(event.value, event.style in (None, ""), tag)
        except (ValueError, OverflowError) as error:
            raise _Wrong(
                _error(
                    NUMBER, f"This value cannot be read: {error}.", self._file, line, column, "Quote it if it is text."
                )
            ) from None
        return Node("scalar", line, column, value)

    def _tagged(self, event: Any, line: int, column: int) -> str | None:
        tag = str(event.tag) if event.tag is not None else None
        tag = tag.replace("!!", _STANDARD, 1) if tag and tag.startswith("!!") else tag
        if tag is not None and tag not in _TAGS:
            raise _Wrong(
                _error(
                    TAG,
                    f"The tag {tag!r} is not allowed in specs.",
                    self._file,
                    line,
                    column,
                    "Remove the tag; specs hold plain values.",
                )
            )
        return tag

    def _keys(self, node: Node) -> None:
        seen: dict[Any, Node] = {}
        for key, _ in node.pairs:
            if key.kind != "scalar" or not isinstance(key.value, str):
                shown = key.value if key.kind == "scalar" else f"a {key.kind}"
                self._problems.append(
                    _error(KEY, f"The key {shown!r} is not text.", self._file, key.line, key.column, "Quote the key.")
                )
                continue
            first = seen.setdefault(key.value, key)
            if first is not key:
                place = Location(self._file, first.line, first.column)
                self._problems.append(
                    Diagnostic(
                        DUPLICATE,
                        Severity.ERROR,
                        f"The key {key.value!r} stands twice in this mapping.",
                        Location(self._file, key.line, key.column),
                        related=(Related(place, "The first one."),),
                        fix="Keep one of them.",
                    )
                )


def _error(code: str, summary: str, file: str, line: int = 0, column: int = 0, fix: str = "") -> Diagnostic:
    return Diagnostic(code, Severity.ERROR, summary, Location(file, line, column), fix=fix)
