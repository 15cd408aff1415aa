"""`trueup validate` as commit hooks and editors run it: no library of the rest, and nothing is read where nothing changed.

Returns an exit code; `cli/main.py` calls it before it imports anything. What is imported below is needed where nothing changed, too.
"""

from __future__ import annotations

import gc
import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal, NamedTuple, NoReturn

from trueup.exits import FAILURE, INVALID, NOTHING_SELECTED, OK, USAGE
from trueup.load import standing, workspaces
from trueup.load.git import GitError
from trueup.validate import kept

if TYPE_CHECKING:
    from trueup.load.trees import Tree
    from trueup_specs.core.diagnostics import Diagnostic


class Options(NamedTuple):
    """What the arguments say."""

    paths: Sequence[str] = ()
    output: Literal["text", "json", "sarif", "github"] = "text"
    revision: str = ""
    directory: str = "."
    no_cache: bool = False


def run(arguments: Sequence[str]) -> int:
    """Validates as the arguments of `trueup validate` say, prints, and gives the exit code."""
    gc.disable()  # the process is short, and what it reads it needs to its end
    options = _options(arguments) if arguments else Options()
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
    try:
        return _judged(folder, options)
    except GitError as error:
        _say(f"error: Git: {error}")
        return FAILURE


def _judged(folder: Path, options: Options) -> int:
    begun = time.perf_counter()
    asked = standing.Asked(folder)
    if options.no_cache:
        from trueup.load import readers  # noqa: F401 — what will be needed is imported while Git looks
    stands = asked.answer()
    if stands is None:
        _say(f"error: The workspace {folder} is in no Git repository. Run `git init` there: specs are read from Git.")
        return NOTHING_SELECTED
    path = folder.relative_to(stands.repository).as_posix()
    prefix = "" if path == "." else path
    if stands.oid and not (options.no_cache or options.revision) and (known := kept.load(prefix, stands.oid)):
        number, found = known
        if not found and options.output == "text":
            _print(_told(number, "no problems", begun))
            return OK
    tree = _tree(stands, prefix, options.revision)
    if tree is None:
        _say(f"error: Git has no revision {options.revision!r} here that holds the workspace.")
        return NOTHING_SELECTED
    return _report(tree, options, begun)


def _options(arguments: Sequence[str]) -> Options:
    import argparse

    class Parser(argparse.ArgumentParser):
        def error(self, message: str) -> NoReturn:
            """Says what is wrong with the arguments; 2, which argparse would give, means changes in a plan."""
            self.exit(USAGE, f"error: {message}\nTry: {self.prog} --help\n")

    parser = Parser(prog="trueup validate", description="Check all specs and show every problem at once.")
    parser.add_argument("paths", nargs="*", metavar="PATH", help="show only what is about these")
    parser.add_argument("--output", "-o", choices=("text", "json", "sarif", "github"), default="text")
    parser.add_argument("--revision", metavar="REV", default="")
    parser.add_argument("--directory", "-C", metavar="DIR", default=".")
    parser.add_argument("--no-cache", action="store_true", help="read everything anew")
    return Options(**vars(parser.parse_args(list(arguments))))


def _tree(stands: standing.Standing, prefix: str, revision: str) -> Tree | None:
    from trueup.load import trees

    if revision:
        return trees.revision(stands.repository, revision, prefix)
    return trees.WorkingTree(stands.repository, prefix, stands.oid)


def _report(tree: Tree, options: Options, begun: float) -> int:
    from trueup.views import diagnostics as views
    from trueup_specs.core.diagnostics import failed

    number, found = diagnosed(tree, cached=not options.no_cache)
    chosen = [d for d in found if _about(d, tree, options.paths)]
    lines = _Lines(tree)
    _print(views.render(chosen, options.output, lines.read))
    if options.output == "text":
        _print(_told(number, views.counted(chosen), begun))
    return INVALID if failed(chosen) else OK


def _told(number: int, counted: str, begun: float) -> str:
    return f"{number} documents, {counted} ({time.perf_counter() - begun:.2f} s)\n"


def diagnosed(tree: Tree, *, cached: bool = True) -> kept.Found:
    """The number of documents of a tree and what is wrong with them, from the cache where the tree is known."""
    known = kept.load(tree.prefix, tree.oid) if cached else None
    if known is not None:
        return known
    from trueup.load import readers
    from trueup.validate import spreading

    reading = readers.begun(tree, spreading.processes())  # while this process imports what judges
    from trueup.validate.validation import validate

    validated = validate(tree, reading=reading)
    found = (len(validated.documents), validated.diagnostics)
    if cached:
        kept.store(tree.prefix, tree.oid, found)
    return found


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
    try:
        sys.stdout.buffer.write(text.encode("utf-8", "backslashreplace"))
        sys.stdout.buffer.flush()
    except BrokenPipeError:  # who reads has enough, as `head` has
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)


def _say(text: str) -> None:
    sys.stderr.write(text + "\n")
