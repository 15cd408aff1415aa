"""The lineage graph as text, Mermaid, DOT and SVG. Sees keys and edges only; what changed is marked."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from collections.abc import Set as AbstractSet
from typing import Any, Literal

from trueup.views.comments.escaping import mermaid as mermaid_label
from trueup_specs.core.references import Key

Form = Literal["text", "mermaid", "dot", "svg", "json"]
_SHAPES = {"DataSource": ("[(", ")]"), "Dataset": ("[(", ")]"), "Model": ("{{", "}}"), "Endpoint": ("([", "])")}
STYLES = {
    "added": "stroke:#2da44e,stroke-width:4px",
    "changed": "stroke:#d29922,stroke-width:4px",
    "removed": "stroke:#cf222e,stroke-width:4px,stroke-dasharray:6 4",
    "reached": "stroke-dasharray:2 3",
    "described": "stroke-width:2px",
}
"""Borders only: they are seen in light and in dark."""
_DOT_SHAPES = {"DataSource": "cylinder", "Dataset": "cylinder", "Model": "hexagon", "Endpoint": "oval"}


class GraphvizMissing(Exception):
    """SVG needs the program `dot`; the text says where it comes from."""


def tree(upstream: Mapping[Key, AbstractSet[Key]], changed: AbstractSet[Key] = frozenset()) -> str:
    """An indented tree from what nothing uses down to what it is made from."""
    used = {s for sources in upstream.values() for s in sources}
    lines: list[str] = []
    shown: set[Key] = set()

    def walk(key: Key, depth: int) -> None:
        again = key in shown and bool(upstream.get(key))
        mark = " *" if key in changed else ""
        lines.append(f"{'  ' * depth}{key}{mark}{' …' if again else ''}")
        shown.add(key)
        if not again:
            for source in sorted(upstream.get(key, ())):
                walk(source, depth + 1)

    for key in sorted(k for k in upstream if k not in used):
        walk(key, 0)
    return "\n".join(lines) + "\n"


def mermaid(edges: Iterable[tuple[Key, Key]], nodes: Iterable[Key], changed: AbstractSet[Key] = frozenset()) -> str:
    """A Mermaid flowchart, which GitHub, GitLab and Gitea draw."""
    return "\n".join(flowchart(edges, {k: "changed" if k in changed else "" for k in sorted(nodes)})) + "\n"


def flowchart(edges: Iterable[tuple[Key, Key]], marks: Mapping[Key, str], hidden: int = 0) -> list[str]:
    """The lines of a Mermaid flowchart: `marks` has each document and what it is (a key of `STYLES`, or nothing).

    `hidden` is how many documents are left out, which is said in a node of its own.
    """
    names = {key: f"n{position}" for position, key in enumerate(marks)}
    lines = ["flowchart LR"]
    for key, name in names.items():
        left, right = _SHAPES.get(key.kind, ("[", "]"))
        style = f":::{marks[key]}" if marks[key] else ""
        lines.append(f'  {name}{left}"{mermaid_label(key.kind)}<br/>{mermaid_label(_label(key))}"{right}{style}')
    if hidden:
        lines.append(f'  more["and {hidden} more"]:::reached')
    lines += [f"  {names[a]} --> {names[b]}" for a, b in edges if a in names and b in names]
    used = {*marks.values(), "reached" if hidden else ""}
    lines += [f"  classDef {name} {style}" for name, style in STYLES.items() if name in used]
    return lines


def dot(edges: Iterable[tuple[Key, Key]], nodes: Iterable[Key], changed: AbstractSet[Key] = frozenset()) -> str:
    """The graph in Graphviz's language."""
    return str(_digraph(edges, nodes, changed).source)


def svg(edges: Iterable[tuple[Key, Key]], nodes: Iterable[Key], changed: AbstractSet[Key] = frozenset()) -> str:
    """The graph drawn by `dot`. Raises GraphvizMissing where that is not installed."""
    import graphviz

    try:
        return str(_digraph(edges, nodes, changed).pipe(format="svg", encoding="utf-8"))
    except graphviz.ExecutableNotFound:
        raise GraphvizMissing(
            "SVG is drawn by Graphviz, whose program `dot` is not on PATH. Install Graphviz (Debian: apt install graphviz), "
            "or use --format mermaid, which forges draw themselves."
        ) from None


def _digraph(edges: Iterable[tuple[Key, Key]], nodes: Iterable[Key], changed: AbstractSet[Key]) -> Any:
    import graphviz

    graph = graphviz.Digraph("lineage", graph_attr={"rankdir": "LR"}, node_attr={"fontname": "sans-serif"})
    known = sorted(nodes)
    for key in known:
        style = {"color": "#d29922", "penwidth": "3"} if key in changed else {}
        graph.node(str(key), f"{key.kind}\n{_label(key)}", shape=_DOT_SHAPES.get(key.kind, "box"), **style)
    for before, after in edges:
        if before in known and after in known:
            graph.edge(str(before), str(after))
    return graph


def _label(key: Key) -> str:
    return f"{key.namespace}/{key.name}" if key.namespace else key.name
