"""A judge finds what each rule by itself finds, though it asks fewer rules and equal parts only once."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from trueup.validate.judging import Judge
from trueup.validate.validation import parse
from trueup_specs import kinds
from trueup_specs.core import cases
from trueup_specs.core.envelope import Metadata
from trueup_specs.core.rules import MemoryIndex, PartRule, Rule
from trueup_specs.kinds import KINDS

HEAD = "apiVersion: trueup.dev/v1alpha1\n"
RULES = sorted({rule for kind in KINDS.values() for rule in kind.rules}, key=lambda rule: rule.code)


def examples() -> Iterator[tuple[str, frozenset[str]]]:
    """The examples of all rules and the cases of all kinds, with the files beside them."""
    for rule in RULES:
        for text in (rule.good, rule.bad):
            first = text.partition("\n")[0]
            files = first.removeprefix("# files:").replace(" ", "").split(",") if first.startswith("# files:") else ()
            yield text, frozenset(files)
    for folder in sorted(Path(kinds.__file__).parent.iterdir()):
        if (folder / cases.FILE).exists():
            found = cases.read(folder)
            for case in (*found.good, *found.bad):
                yield f"{found.given}\n---\n{case.text}", found.files


def test_a_judge_finds_what_its_rules_find() -> None:
    judges = {name: Judge(rule() for rule in kind.rules) for name, kind in KINDS.items()}
    seen: set[str] = set()
    number = 0
    for text, files in examples():
        documents = text if "apiVersion" in text else "\n---\n".join(HEAD + t for t in text.split("\n---\n"))
        parsed = parse("a.yaml", documents.encode(), "default").documents
        index = MemoryIndex({d.key: d for d in parsed}, files)
        for document in parsed:
            rules = KINDS[document.key.kind].rules
            wanted = sorted((rule.code, repr(f)) for rule in rules for f in rule().check(document, index))
            found = [(rule.code, repr(f)) for rule, f in judges[document.key.kind].findings(document, index)]
            assert sorted(found) == wanted
            seen.update(code for code, _ in found)
            number += 1
    assert number > 1000 and seen >= {rule.code for rule in RULES if rule.about}


@pytest.mark.parametrize("rule", [rule for rule in RULES if rule.about], ids=lambda rule: rule.code)
def test_rules_are_about_fields_that_there_are(rule: type[Rule]) -> None:
    for kind in (kind for kind in KINDS.values() if rule in kind.rules):
        models = {"metadata": Metadata, "spec": kind.spec}
        for field in rule.about:
            model, dot, name = field.partition(".")
            assert name in models[model].model_fields if dot else issubclass(rule, PartRule)
