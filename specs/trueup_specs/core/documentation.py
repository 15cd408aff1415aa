"""The README of each kind, made from its models, rules and cases. Called by `make schemas`, and by `make check` to find stale ones.

`python -m trueup_specs.core.documentation [--check]` writes them into the folders of the kinds, or names those that are stale.
"""

from __future__ import annotations

import inspect
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from trueup_specs.core.cases import Cases, read
from trueup_specs.core.envelope import Metadata
from trueup_specs.core.fields import rows
from trueup_specs.core.kinds import Kind, Layer
from trueup_specs.core.links import referable
from trueup_specs.core.rules import Rule
from trueup_specs.kinds import KINDS
from trueup_specs.kinds.envelope.reference_rules import REFERENCE_RULES
from trueup_specs.kinds.envelope.rules import METADATA_RULES
from trueup_specs.kinds.envelope.value_rules import PROCESS_RULES

FOLDER = Path(__file__).parent.parent / "kinds"
SHARED: tuple[type[Rule], ...] = (*METADATA_RULES, *REFERENCE_RULES, *PROCESS_RULES)
"""Rules of several kinds: their documentation stands in that of the envelope."""
_LAYERS = {
    Layer.WORKSPACE: "It configures the workspace and becomes no resource.",
    Layer.FOUNDATION: "Its resources live in the stack `foundation` of its namespace.",
    Layer.DATA: "Its resources live in the stack `data` of its namespace.",
    Layer.MODEL: "Its resources live in the stack `model` of its namespace.",
    Layer.SERVING: "Its resources live in the stack `serving` of its namespace.",
}


def folder_of(kind: Kind) -> Path:
    """The folder of a kind: that of the module of its spec."""
    return FOLDER / kind.spec.__module__.split(".")[-2]


def pages() -> dict[Path, str]:
    """The text of every README, by its path."""
    found = {folder_of(kind) / "README.md": page(kind) for kind in KINDS.values()}
    return {**found, FOLDER / "envelope" / "README.md": _envelope()}


def page(kind: Kind) -> str:
    """The README of one kind."""
    own = [rule for rule in kind.rules if rule not in SHARED]
    shared = [f"`{rule.code}`" for rule in kind.rules if rule in SHARED]
    sections = [
        f"# {kind.name}",
        _prose(kind.spec.__doc__ or ""),
        " ".join(_facts(kind)),
        "## Example",
        _yaml(_example(read(folder_of(kind)))),
        *_references(kind),
        "## Fields of `spec`",
        _table(rows(kind.spec)),
        "## Rules",
        f"Beside the [rules of several kinds](../envelope/README.md): {', '.join(shared)}.",
        *map(_rule, own),
    ]
    return "\n\n".join(sections) + "\n"


def _envelope() -> str:
    sections = [
        "# The envelope",
        "Every document has `apiVersion: trueup.dev/v1alpha1`, a `kind`, `metadata` and a `spec`. "
        "Kinds: " + ", ".join(f"[{k.name}](../{folder_of(k).name}/README.md)" for k in KINDS.values()) + ".",
        "## Fields of `metadata`",
        _table(rows(Metadata)),
        "## Rules of several kinds",
        *map(_rule, SHARED),
    ]
    return "\n\n".join(sections) + "\n"


def _facts(kind: Kind) -> Iterator[str]:
    yield _LAYERS[kind.layer]
    yield "It belongs to a namespace." if kind.namespaced else "It has no namespace: it holds for the whole workspace."
    if kind.holds_data:
        yield "It holds data, so `deletionPolicy` is `retain` by default."
    yield f"Schema: `schemas/{kind.name.lower()}.schema.json`."


def _example(cases: Cases) -> str:
    return cases.good[0].text


def _references(kind: Kind) -> list[str]:
    """Who refers to whom, on both sides."""
    outward = [f"- `{path}` → {_linked(target)}" for path, target in _targets(kind)]
    inward = [
        f"- {_linked(other.name)} `{path}`"
        for other in KINDS.values()
        for path, target in _targets(other)
        if target == kind.name
    ]
    found = ["## References", "\n".join(["It refers to:", *outward])] if outward else ["## References"]
    if inward:
        found.append("\n".join(["It is referred to by:", *inward]))
    return found if len(found) > 1 else []


def _targets(kind: Kind) -> list[tuple[str, str]]:
    return list(dict.fromkeys(referable(kind.spec)))


def _linked(name: str) -> str:
    return f"[{name}](../{folder_of(KINDS[name]).name}/README.md)"


def _table(found: Iterator[tuple[str, str, str, str]]) -> str:
    lines = ["| field | type | default | meaning |", "|---|---|---|---|"]
    lines += ["| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |" for row in found]
    return "\n".join(lines)


def _rule(rule: type[Rule]) -> str:
    weight = "" if rule.severity == "error" else f" ({rule.severity})"
    return "\n\n".join(
        [
            f"### {rule.code}{weight}",
            f"**{_prose(rule.__doc__ or '')}** {rule.reason}",
            "Good:",
            _yaml(rule.good),
            "Bad (`^` points at the finding):",
            _yaml(rule.bad),
        ]
    )


def _prose(text: str) -> str:
    paragraphs = inspect.cleandoc(text).split("\n\n")
    return "\n\n".join(" ".join(paragraph.split()) for paragraph in paragraphs)


def _yaml(text: str) -> str:
    return f"```yaml\n{text.strip()}\n```"


def stale() -> list[Path]:
    """The READMEs that are missing or differ from what the models and rules say."""
    return [p for p, text in pages().items() if not p.is_file() or p.read_text(encoding="utf-8") != text]


def main(arguments: Sequence[str]) -> int:
    """Writes the READMEs, or with `--check` says which are stale; the exit code."""
    if "--check" in arguments:
        found = stale()
        for path in found:
            sys.stderr.write(f"{path} is stale: run `make schemas` and commit what it writes.\n")
        return 1 if found else 0
    for path, text in pages().items():
        path.write_text(text, encoding="utf-8")
    sys.stdout.write(f"Wrote {len(pages())} pages to {FOLDER}.\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
