"""Rules of the graph of a Pipeline's steps (TRU1550 to TRU1569): names, needs, inputs and outputs."""

from __future__ import annotations

import graphlib
from collections.abc import Iterator, Mapping

from trueup_specs.core.envelope import Document
from trueup_specs.core.positions import Path
from trueup_specs.core.rules import Finding, Index, Rule, SpecRule, repeated
from trueup_specs.core.values import noted
from trueup_specs.kinds.envelope.paths import outside
from trueup_specs.kinds.envelope.words import instead, listed
from trueup_specs.kinds.pipeline import ports
from trueup_specs.kinds.pipeline.parts import StepRule
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
            for path, name in noted(step, _named):
                if name not in names:
                    yield Finding(
                        ("spec", "steps", position, *path),
                        f"The step {step.name!r} refers to a step {name!r}, which the pipeline does not have.",
                        fix=instead(name, names - {step.name}),
                    )


def _named(step: Step) -> tuple[tuple[Path, str], ...]:
    """Every place of a step that names another."""
    needed = ((("needs", number), name) for number, name in enumerate(step.needs))
    given = ((("inputs", name), source[0]) for name, _, source in ports.sources(step) if source)
    read = ((("when",), name) for name in dict.fromkeys(n for n, _, _ in ports.read_in(step.when or "")))
    return (*needed, *given, *read)


class NeedTwice(StepRule):
    """`needs` must name each step once."""

    code = "TRU1552"
    about = ("needs",)
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

    def judge(self, step: Step) -> Iterator[Finding]:
        for number, _, name in repeated(step.needs):
            yield Finding(
                ("needs", number),
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
        if _forwards(graph):
            return
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


def _forwards(graph: Mapping[str, Mapping[str, Path]]) -> bool:
    """Whether each step stands below all that it needs, as in most pipelines: then there is no circle to look for."""
    above: set[str] = set()
    for name, needed in graph.items():
        if not above.issuperset(needed):
            return False
        above.add(name)
    return True


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
        for position, step in enumerate(spec.steps):
            for name, reference, source in ports.sources(step):
                if source is None:
                    by_name = {step.name: step for step in spec.steps}
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
        for flow in ports.flows(spec):
            if flow.type is None:
                known = ports.outputs(flow.giver)
                yield Finding(
                    ("spec", "steps", flow.position, "inputs", flow.input),
                    f"The step {flow.giver.name!r} has no output {flow.output!r}.",
                    fix=instead(flow.output, known) if known else f"Declare it in `outputs` of {flow.giver.name!r}.",
                )


class InputUnknown(StepRule):
    """A built-in step takes its own inputs only."""

    code = "TRU1556"
    about = ("inputs",)
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

    def judge(self, step: Step) -> Iterator[Finding]:
        declared = ports.builtin(step)
        for name in step.inputs if declared else ():
            assert declared is not None
            if name not in declared.inputs:
                yield Finding(
                    ("inputs", name),
                    f"The built-in step `{declared.name}` has no input {name!r}.",
                    at_key=True,
                    fix=instead(name, declared.inputs) if declared.inputs else "Remove it: it takes no inputs.",
                )


class InputMissing(StepRule):
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

    def judge(self, step: Step) -> Iterator[Finding]:
        declared = ports.builtin(step)
        for name, port in declared.inputs.items() if declared else ():
            if port.required and name not in step.inputs:
                yield Finding(
                    ("inputs" if step.inputs else "uses",),
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
        for flow in ports.flows(spec):
            if flow.wanted is not None and flow.type is not None and flow.wanted != flow.type:
                step = spec.steps[flow.position]
                reference = step.inputs[flow.input]
                yield Finding(
                    ("spec", "steps", flow.position, "inputs", flow.input),
                    f"The input `{flow.input}` of `{step.uses}` is a {flow.wanted}, but {reference!r} is a {flow.type}.",
                    fix=f"Name an output of type {flow.wanted}, or change the type of {reference!r}.",
                )


class OutputDeclared(StepRule):
    """A built-in step must not declare outputs or metrics, since it has its own."""

    code = "TRU1559"
    about = ("outputs", "metrics")
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

    def judge(self, step: Step) -> Iterator[Finding]:
        declared = ports.builtin(step)
        for field in ("outputs", "metrics") if declared else ():
            assert declared is not None
            if getattr(step, field):
                own = listed(getattr(declared, field))
                yield Finding(
                    (field,),
                    f"The built-in step `{step.uses}` has {field} of its own: {own}.",
                    at_key=True,
                    fix=f"Remove `{field}`.",
                )


class OutputOutside(StepRule):
    """The path of an output must stay in the step's folder."""

    code = "TRU1560"
    about = ("outputs",)
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

    def judge(self, step: Step) -> Iterator[Finding]:
        for name, output in step.outputs.items():
            if output.path is not None and (outside(output.path) or output.path.partition("/")[0] == ".trueup"):
                yield Finding(
                    ("outputs", name, "path"),
                    f"The output `{name}` is written to {output.path!r}, which is not in the step's folder.",
                    fix="Write a relative path without `..`, and not below `.trueup`.",
                )


class OutputPathTwice(StepRule):
    """Two outputs of a step must not share a path."""

    code = "TRU1561"
    about = ("outputs",)
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

    def judge(self, step: Step) -> Iterator[Finding]:
        names = [name for name, output in step.outputs.items() if output.path is not None]
        for place, first, path in repeated(step.outputs[name].path for name in names):
            yield Finding(
                ("outputs", names[place], "path"),
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
