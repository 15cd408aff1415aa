"""`trueup validate` as commit hooks and editors run it: no library of the rest, and nothing is read where nothing changed.

Returns an exit code; `cli/main.py` calls it before it imports anything.
"""

from __future__ import annotations

import argparse
import gc
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from trueup.load import cache, readers, trees, workspaces
from trueup.load.git import GitError
from trueup.validate import spreading
from trueup.views import diagnostics as views
from trueup_specs.core.diagnostics import Diagnostic, Related, Severity, failed
from trueup_specs.core.positions import Location

if TYPE_CHECKING:
    from trueup.load.trees import Tree

OK, FAILURE, NOTHING_SELECTED, INVALID, USAGE_ERROR = 0, 1, 3, 4, 64


def run(arguments: Sequence[str]) -> int:
    """Validates as the arguments of `trueup validate` say, prints, and gives the exit code."""
    gc.disable()  # the process is short, and what it reads it needs to its end
    options = _parser().parse_args(list(arguments))
    if missing := [p for p in options.paths if not options.revision and not Path(p).exists()]:
        _say(f"error: There is no {missing[0]}. Name files or folders of the workspace, or none for all.")
        return NOTHING_SELECTED
    folder = workspaces.find(Path(options.directory))
    if folder is None:
        _say(
            f"error: There is no trueup.yaml in {Path(options.directory).resolve()} or above it. Go to a workspace, or make one here with "
            "`trueup init`."
        )
        return NOTHING_SELECTED
    repository = workspaces.repository_of(folder)
    if repository is None:
        _say(f"error: The workspace {folder} is in no Git repository. Run `git init` there: specs are read from Git.")
        return NOTHING_SELECTED
    prefix = folder.relative_to(repository).as_posix()
    try:
        tree = _tree(repository, "" if prefix == "." else prefix, options.revision)
        if tree is None:
            _say(f"error: Git has no revision {options.revision!r} here that holds the workspace.")
            return NOTHING_SELECTED
        return _report(tree, options)
    except GitError as error:
        _say(f"error: Git: {error}")
        return FAILURE


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        """Says what is wrong with the arguments; 2, which argparse would give, means changes in a plan."""
        self.exit(USAGE_ERROR, f"error: {message}\nTry: {self.prog} --help\n")


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(prog="trueup validate", description="Check all specs and show every problem at once.")
    parser.add_argument("paths", nargs="*", metavar="PATH", help="show only what is about these")
    parser.add_argument("--output", "-o", choices=("text", "json", "sarif", "github"), default="text")
    parser.add_argument("--revision", metavar="REV", default="")
    parser.add_argument("--directory", "-C", metavar="DIR", default=".")
    parser.add_argument("--no-cache", action="store_true", help="read everything anew")
    return parser


def _tree(repository: Path, prefix: str, revision: str) -> Tree | None:
    return trees.revision(repository, revision, prefix) if revision else trees.WorkingTree(repository, prefix)


def _report(tree: Tree, options: argparse.Namespace) -> int:
    begun = time.perf_counter()
    number, found = diagnosed(tree, cached=not options.no_cache)
    chosen = [d for d in found if _about(d, tree, options.paths)]
    lines = _Lines(tree)
    _print(views.render(chosen, options.output, lines.read))
    if options.output == "text":
        _print(f"{number} documents, {views.counted(chosen)} ({time.perf_counter() - begun:.2f} s)\n")
    return INVALID if failed(chosen) else OK


def diagnosed(tree: Tree, *, cached: bool = True) -> tuple[int, tuple[Diagnostic, ...]]:
    """The number of documents of a tree and what is wrong with them, from the cache where the tree is known."""
    import msgspec

    key = f"{tree.prefix}\0{tree.oid}"
    data = cache.load(key) if cached else None
    if data is not None:
        try:
            return _decoded(msgspec.json.decode(data))
        except (msgspec.MsgspecError, KeyError, TypeError, ValueError):
            pass
    reading = readers.begun(tree, spreading.processes())  # while this process imports what judges
    from trueup.validate.validation import validate

    found = validate(tree, reading=reading)
    if cached:
        with suppress(UnicodeEncodeError):  # a file whose name is no text
            cache.store(key, msgspec.json.encode([len(found.documents), [_encoded(d) for d in found.diagnostics]]))
    return len(found.documents), found.diagnostics


def _encoded(diagnostic: Diagnostic) -> list[Any]:
    d = diagnostic
    related = [[_place(r.location), r.message] for r in d.related]
    return [d.code, d.severity.value, d.summary, _place(d.location), d.detail, related, d.fix]


def _place(location: Location) -> list[Any]:
    return [location.file, location.line, location.column]


def _decoded(value: Any) -> tuple[int, tuple[Diagnostic, ...]]:
    number, items = value
    return int(number), tuple(
        Diagnostic(
            code,
            Severity(severity),
            summary,
            Location(*place),
            detail,
            tuple(Related(Location(*p), message) for p, message in related),
            fix,
        )
        for code, severity, summary, place, detail, related, fix in items
    )


def _about(diagnostic: Diagnostic, tree: Tree, paths: Sequence[str]) -> bool:
    if not paths:
        return True
    file = (tree.repository / diagnostic.location.file).resolve()
    return any(file.is_relative_to(Path(p).resolve()) for p in paths)


class _Lines:
    """Lines of the tree's files, read when asked for."""

    def __init__(self, tree: Tree) -> None:
        self._tree = tree
        self._files: dict[str, list[str]] = {}

    def read(self, file: str, line: int) -> str | None:
        if file not in self._files:
            path = file.removeprefix(f"{self._tree.prefix}/") if self._tree.prefix else file
            data = self._tree.read([path]).get(path, b"")
            self._files[file] = data.decode("utf-8-sig", "replace").splitlines()
        found = self._files[file]
        return found[line - 1] if 0 < line <= len(found) else None


def _print(text: str) -> None:
    sys.stdout.buffer.write(text.encode("utf-8", "backslashreplace"))
    sys.stdout.buffer.flush()


def _say(text: str) -> None:
    sys.stderr.write(text + "\n")
