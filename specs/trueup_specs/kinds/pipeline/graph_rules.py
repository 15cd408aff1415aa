"""Rules of the graph of a Pipeline's steps (TRU1550 to TRU1569): names, needs, inputs and outputs."""

from __future__ import annotations

import graphlib
from collections.abc import Iterator

from trueup_specs.core.envelope import Document
from trueup_specs.core.positions import Path
from trueup_specs.core.rules import Finding, Index, Rule, SpecRule, repeated
from trueup_specs.kinds.envelope.paths import outside
from trueup_specs.kinds.envelope.words import instead, listed
from trueup_specs.kinds.pipeline import ports
from trueup_specs.kinds.pipeline.spec import PipelineSpec, Step

_CHAIN = """
    kind: Pipeline
    metadata: {name: nightly}
    spec:
      steps:
        - {name: fetch, run: ./fetch.sh, outputs: {rows: {type: table}}}
        - {name: report, run: ./report.sh, needs: [fetch], inputs: {rows: fetch.rows}}
    """


class StepTwice(SpecRule[PipelineSpec]):
    """Each step of a pipeline must have a name of its own."""

    code = "TRU1550"
    reason = "Inputs, conditions and logs refer to steps by name."
    good = _CHAIN
    bad = """
        kind: Pipeline
        metadata: {name: nightly}
        spec:
          steps:
            - {name: fetch, run: ./fetch.sh}
            - {name: fetch, run: ./report.sh}
        #            ^
        """

    def find(self, spec: PipelineSpec, document: Document, index: Index) -> Iterator[Finding]:
        for position, first, name in repeated(step.name for step in spec.steps):
            yield Finding(
                ("spec", "steps", position, "name"),
                f"Two steps are called {name!r}.",
                fix="Give each step a name of its own.",
                related=((None, ("spec", "steps", first, "name"), "The first one."),),
            )


class StepUnknown(SpecRule[PipelineSpec]):
    """`needs`, `inputs` and `when` must name steps of the same pipeline."""

    code = "TRU1551"
    reason = "The run could not tell what comes first."
    good = _CHAIN
    bad = """
        kind: Pipeline
        metadata: {name: nightly}
        spec:
          steps:
            - {name: fetch, run: ./fetch.sh}
            - {name: report, run: ./report.sh, needs: [fetsh]}
        #                                              ^
        """

    def find(self, spec: PipelineSpec, document: Document, index: Index) -> Iterator[Finding]:
        names = {step.name for step in spec.steps}
        for position, step in enumerate(spec.steps):
            for path, name in _named(step):
                if name not in names:
                    yield Finding(
                        ("spec", "steps", position, *path),
                        f"The step {step.name!r} refers to a step {name!r}, which the pipeline does not have.",
                        fix=instead(name, names - {step.name}),
                    )


def _named(step: Step) -> Iterator[tuple[Path, str]]:
    yield from ((("needs", number), name) for number, name in enumerate(step.needs))
    for name, reference in step.inputs.items():
        source = ports.source_of(reference)
        if source:
            yield ("inputs", name), source[0]
    if step.when:
        yield from ((("when",), name) for name in dict.fromkeys(n for n, _, _ in ports.read_in(step.when)))


class NeedTwice(SpecRule[PipelineSpec]):
    """`needs` must name each step once."""

    code = "TRU1552"
    reason = "A repeated name is, as a rule, another step that was meant."
    good = _CHAIN
    bad = """
        kind: Pipeline
        metadata: {name: nightly}
        spec:
          steps:
            - {name: fetch, run: ./fetch.sh}
            - {name: report, run: ./report.sh, needs: [fetch, fetch]}
        #                                                     ^
        """

    def find(self, spec: PipelineSpec, document: Document, index: Index) -> Iterator[Finding]:
        for position, step in enumerate(spec.steps):
            for number, _, name in repeated(step.needs):
                yield Finding(
                    ("spec", "steps", position, "needs", number),
                    f"The step {step.name!r} needs {name!r} twice.",
                    fix="Remove one of them.",
                )


class StepCycle(SpecRule[PipelineSpec]):
    """Steps must not need each other in a circle."""

    code = "TRU1553"
    reason = "None of them could ever start."
    good = _CHAIN
    bad = """
        kind: Pipeline
        metadata: {name: nightly}
        spec:
          steps:
            - {name: fetch, run: ./fetch.sh, needs: [report]}
        #                                            ^
            - {name: report, run: ./report.sh, needs: [fetch]}
        """

    def find(self, spec: PipelineSpec, document: Document, index: Index) -> Iterator[Finding]:
        graph = {step.name: ports.upstream(step) for step in spec.steps}
        try:
            graphlib.TopologicalSorter(graph).prepare()
        except graphlib.CycleError as error:
            ring: list[str] = error.args[1]
            members = [step.name for step in spec.steps if step.name in ring]
            position = next(p for p, step in enumerate(spec.steps) if step.name == members[0])
            before = next(n for n in graph[members[0]] if n in ring)
            yield Finding(
                ("spec", "steps", position, *graph[members[0]][before]),
                f"The steps need each other in a circle: {' → '.join(ring)}.",
                fix=f"Remove one of these needs, such as that of {members[0]!r} for {before!r}.",
            )


class InputMalformed(SpecRule[PipelineSpec]):
    """An input must be written `step.output`."""

    code = "TRU1554"
    reason = "Nothing else says what the step is given."
    good = _CHAIN
    bad = """
        kind: Pipeline
        metadata: {name: nightly}
        spec:
          steps:
            - {name: fetch, run: ./fetch.sh, outputs: {rows: {type: table}}}
            - {name: report, run: ./report.sh, inputs: {rows: fetch}}
        #                                                     ^
        """

    def find(self, spec: PipelineSpec, document: Document, index: Index) -> Iterator[Finding]:
        by_name = {step.name: step for step in spec.steps}
        for position, step in enumerate(spec.steps):
            for name, reference in step.inputs.items():
                if ports.source_of(reference) is None:
                    outputs = sorted(ports.outputs(by_name[reference])) if reference in by_name else ["output"]
                    whole = f"{reference if reference in by_name else 'step'}.{(outputs or ['output'])[0]}"
                    yield Finding(
                        ("spec", "steps", position, "inputs", name),
                        f"{reference!r} names no output of a step.",
                        fix=f"Write `step.output`, such as `{whole}`.",
                    )


class OutputUnknown(SpecRule[PipelineSpec]):
    """An input must name an output that the step has."""

    code = "TRU1555"
    reason = "The step would wait for a file that nobody writes."
    good = _CHAIN
    bad = """
        kind: Pipeline
        metadata: {name: nightly}
        spec:
          steps:
            - {name: fetch, run: ./fetch.sh, outputs: {rows: {type: table}}}
            - {name: report, run: ./report.sh, inputs: {rows: fetch.row}}
        #                                                     ^
        """

    def find(self, spec: PipelineSpec, document: Document, index: Index) -> Iterator[Finding]:
        by_name = {step.name: step for step in spec.steps}
        for position, step in enumerate(spec.steps):
            for name, reference in step.inputs.items():
                source = ports.source_of(reference)
                if source is None or source[0] not in by_name:
                    continue
                known = ports.outputs(by_name[source[0]])
                if source[1] not in known:
                    yield Finding(
                        ("spec", "steps", position, "inputs", name),
                        f"The step {source[0]!r} has no output {source[1]!r}.",
                        fix=instead(source[1], known) if known else f"Declare it in `outputs` of {source[0]!r}.",
                    )


class InputUnknown(SpecRule[PipelineSpec]):
    """A built-in step takes its own inputs only."""

    code = "TRU1556"
    reason = "The step would not read it, so the intended data would not arrive."
    good = """
        kind: Pipeline
        metadata: {name: nightly}
        spec:
          steps:
            - {name: fetch, run: ./fetch.sh, outputs: {rows: {type: table}}}
            - {name: parts, uses: split, inputs: {data: fetch.rows}}
        """
    bad = """
        kind: Pipeline
        metadata: {name: nightly}
        spec:
          steps:
            - {name: fetch, run: ./fetch.sh, outputs: {rows: {type: table}}}
            - {name: parts, uses: split, inputs: {data: fetch.rows, rows: fetch.rows}}
        #                                                           ^
        """

    def find(self, spec: PipelineSpec, document: Document, index: Index) -> Iterator[Finding]:
        for position, step in enumerate(spec.steps):
            declared = ports.builtin(step)
            for name in step.inputs if declared else ():
                assert declared is not None
                if name not in declared.inputs:
                    yield Finding(
                        ("spec", "steps", position, "inputs", name),
                        f"The built-in step `{declared.name}` has no input {name!r}.",
                        at_key=True,
                        fix=instead(name, declared.inputs) if declared.inputs else "Remove it: it takes no inputs.",
                    )


class InputMissing(SpecRule[PipelineSpec]):
    """A built-in step must be given each input that it requires."""

    code = "TRU1557"
    reason = "The run would stop there."
    good = InputUnknown.good
    bad = """
        kind: Pipeline
        metadata: {name: nightly}
        spec:
          steps:
            - {name: parts, uses: split}
        #                   ^
        """

    def find(self, spec: PipelineSpec, document: Document, index: Index) -> Iterator[Finding]:
        for position, step in enumerate(spec.steps):
            declared = ports.builtin(step)
            for name, port in declared.inputs.items() if declared else ():
                if port.required and name not in step.inputs:
                    yield Finding(
                        ("spec", "steps", position, "inputs" if step.inputs else "uses"),
                        f"The built-in step `{step.uses}` needs the input `{name}`: {port.description}",
                        at_key=True,
                        fix=f"Add `inputs: {{{name}: STEP.OUTPUT}}`, with a step that gives a {port.type}.",
                    )


class PortMismatch(SpecRule[PipelineSpec]):
    """An input of a built-in step must be of the type that the step takes."""

    code = "TRU1558"
    reason = "A table cannot be read as a model, nor the other way round."
    good = InputUnknown.good
    bad = """
        kind: Pipeline
        metadata: {name: nightly}
        spec:
          steps:
            - {name: fetch, run: ./fetch.sh, outputs: {report: {type: json}}}
            - {name: parts, uses: split, inputs: {data: fetch.report}}
        #                                               ^
        """

    def find(self, spec: PipelineSpec, document: Document, index: Index) -> Iterator[Finding]:
        by_name = {step.name: step for step in spec.steps}
        for position, step in enumerate(spec.steps):
            declared = ports.builtin(step)
            for name, reference in step.inputs.items() if declared else ():
                assert declared is not None
                source = ports.source_of(reference)
                given = ports.outputs(by_name[source[0]]).get(source[1]) if source and source[0] in by_name else None
                port = declared.inputs.get(name)
                if given is not None and port is not None and given != port.type:
                    yield Finding(
                        ("spec", "steps", position, "inputs", name),
                        f"The input `{name}` of `{step.uses}` is a {port.type}, but {reference!r} is a {given}.",
                        fix=f"Name an output of type {port.type}, or change the type of {reference!r}.",
                    )


class OutputDeclared(SpecRule[PipelineSpec]):
    """A built-in step must not declare outputs or metrics, since it has its own."""

    code = "TRU1559"
    reason = "The declaration would be ignored, and what reads it would find nothing."
    good = InputUnknown.good
    bad = """
        kind: Pipeline
        metadata: {name: nightly}
        spec:
          steps:
            - {name: rows, uses: load, with: {dataset: customers}, outputs: {rows: {type: table}}}
        #                                                          ^
        ---
        kind: DataSource
        metadata: {name: raw}
        spec: {file: {url: "https://example.com/raw.csv", format: csv}}
        ---
        kind: Dataset
        metadata: {name: customers}
        spec: {source: raw, schema: {properties: [{name: id, logicalType: string}]}}
        """

    def find(self, spec: PipelineSpec, document: Document, index: Index) -> Iterator[Finding]:
        for position, step in enumerate(spec.steps):
            declared = ports.builtin(step)
            for field in ("outputs", "metrics") if declared else ():
                assert declared is not None
                if getattr(step, field):
                    own = listed(getattr(declared, field))
                    yield Finding(
                        ("spec", "steps", position, field),
                        f"The built-in step `{step.uses}` has {field} of its own: {own}.",
                        at_key=True,
                        fix=f"Remove `{field}`.",
                    )


class OutputOutside(SpecRule[PipelineSpec]):
    """The path of an output must stay in the step's folder."""

    code = "TRU1560"
    reason = "Only that folder is kept, hashed and handed on; what is written elsewhere would be lost or overwrite other data."
    good = """
        kind: Pipeline
        metadata: {name: nightly}
        spec: {steps: [{name: fetch, run: ./fetch.sh, outputs: {rows: {path: out/rows.csv}}}]}
        """
    bad = """
        kind: Pipeline
        metadata: {name: nightly}
        spec: {steps: [{name: fetch, run: ./fetch.sh, outputs: {rows: {path: ../rows.csv}}}]}
        #                                                                    ^
        """

    def find(self, spec: PipelineSpec, document: Document, index: Index) -> Iterator[Finding]:
        for position, step in enumerate(spec.steps):
            for name, output in step.outputs.items():
                if output.path is not None and (outside(output.path) or output.path.partition("/")[0] == ".trueup"):
                    yield Finding(
                        ("spec", "steps", position, "outputs", name, "path"),
                        f"The output `{name}` is written to {output.path!r}, which is not in the step's folder.",
                        fix="Write a relative path without `..`, and not below `.trueup`.",
                    )


class OutputPathTwice(SpecRule[PipelineSpec]):
    """Two outputs of a step must not share a path."""

    code = "TRU1561"
    reason = "Each would be what the other wrote."
    good = OutputOutside.good
    bad = """
        kind: Pipeline
        metadata: {name: nightly}
        spec:
          steps:
            - name: fetch
              run: ./fetch.sh
              outputs:
                rows: {path: out.csv}
                totals: {path: out.csv}
        #                      ^
        """

    def find(self, spec: PipelineSpec, document: Document, index: Index) -> Iterator[Finding]:
        for position, step in enumerate(spec.steps):
            names = [name for name, output in step.outputs.items() if output.path is not None]
            for place, first, path in repeated(step.outputs[name].path for name in names):
                yield Finding(
                    ("spec", "steps", position, "outputs", names[place], "path"),
                    f"The outputs `{names[first]}` and `{names[place]}` are both written to {path!r}.",
                    fix="Give each a path of its own.",
                )


RULES: tuple[type[Rule], ...] = (
    StepTwice,
    StepUnknown,
    NeedTwice,
    StepCycle,
    InputMalformed,
    OutputUnknown,
    InputUnknown,
    InputMissing,
    PortMismatch,
    OutputDeclared,
    OutputOutside,
    OutputPathTwice,
)
