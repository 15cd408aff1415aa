"""Rules of when and where a Pipeline runs and what it reads (TRU1590 to TRU1619)."""

from __future__ import annotations

import re
from collections.abc import Iterator

from trueup_specs.core.envelope import Document
from trueup_specs.core.references import Key, qualified
from trueup_specs.core.rules import Finding, Index, Rule, SpecRule, examples, repeated
from trueup_specs.core.schedules import cron_problem, known_timezone, timezone_fix
from trueup_specs.core.steps import BUILTIN
from trueup_specs.core.values import noted
from trueup_specs.kinds.dataset.spec import DatasetSpec, Schema
from trueup_specs.kinds.envelope.paths import is_file, is_folder, outside, suggestion
from trueup_specs.kinds.envelope.reference_rules import absent
from trueup_specs.kinds.envelope.words import listed
from trueup_specs.kinds.feature_service.spec import FeatureServiceSpec
from trueup_specs.kinds.feature_view.spec import FeatureViewSpec
from trueup_specs.kinds.pipeline import ports
from trueup_specs.kinds.pipeline.spec import PipelineSpec
from trueup_specs.kinds.pipeline.step_rules import FUNCTION

DIGEST = re.compile(r"^\S+@sha256:[0-9a-f]{64}$")
_TRIGGERS = ("schedule", "on_data", "on_code")

DATA = """
    kind: DataSource
    metadata: {name: raw}
    spec: {file: {url: "https://example.com/raw.csv", format: csv}}
    ---
    kind: Dataset
    metadata: {name: customers}
    spec: {source: raw, schema: {properties: [{name: id, logicalType: string}, {name: churned, logicalType: boolean}]}}
    """
READS = examples(
    """
    kind: Pipeline
    metadata: {name: nightly}
    spec:
      triggers: [{schedule: {cron: "0 3 * * *", timezone: Europe/Berlin}}, {onData: [customers]}]
      steps:
        - {name: rows, uses: load, with: {dataset: customers}}
        - {name: parts, uses: split, with: {stratify: churned}, inputs: {data: rows.data}}
    """,
    DATA,
)


class TriggerOne(SpecRule[PipelineSpec]):
    """A trigger must have exactly one of `schedule`, `onData` and `onCode`."""

    code = "TRU1590"
    about = ("spec.triggers",)
    reason = "A trigger with several could mean either or both; write one trigger for each."
    good = READS
    bad = """
        kind: Pipeline
        metadata: {name: nightly}
        spec:
          triggers: [{schedule: {cron: "0 3 * * *"}, onCode: true}]
        #            ^
          steps: [{name: report, run: ./report.sh}]
        """

    def find(self, spec: PipelineSpec, document: Document, index: Index) -> Iterator[Finding]:
        for position, trigger in enumerate(spec.triggers):
            count = sum(getattr(trigger, field) is not None for field in _TRIGGERS)
            if count != 1:
                yield Finding(
                    ("spec", "triggers", position),
                    f"The trigger has {'none' if count == 0 else 'more than one'} of `schedule`, `onData` and `onCode`.",
                    fix="Write one of them." if count == 0 else "Make a trigger of its own for each.",
                )


class TriggerCron(SpecRule[PipelineSpec]):
    """`schedule.cron` must be a cron expression that fires."""

    code = "TRU1591"
    about = ("spec.triggers",)
    reason = "The pipeline would never run by itself."
    good = READS
    bad = """
        kind: Pipeline
        metadata: {name: nightly}
        spec:
          triggers: [{schedule: {cron: "0 25 * * *"}}]
        #                              ^
          steps: [{name: report, run: ./report.sh}]
        """

    def find(self, spec: PipelineSpec, document: Document, index: Index) -> Iterator[Finding]:
        for position, trigger in enumerate(spec.triggers):
            wrong = cron_problem(trigger.schedule.cron) if trigger.schedule else None
            if trigger.schedule and wrong:
                yield Finding(
                    ("spec", "triggers", position, "schedule", "cron"),
                    f"{trigger.schedule.cron!r} {wrong}.",
                    fix="Write five fields: minute, hour, day of month, month, day of week; `0 3 * * *` is daily at three.",
                )


class TriggerTimezone(SpecRule[PipelineSpec]):
    """`schedule.timezone` must be a time zone of the IANA database."""

    code = "TRU1592"
    about = ("spec.triggers",)
    reason = "Nobody could tell when the schedule fires."
    good = READS
    bad = """
        kind: Pipeline
        metadata: {name: nightly}
        spec:
          triggers: [{schedule: {cron: "0 3 * * *", timezone: Europe/Berln}}]
        #                                                     ^
          steps: [{name: report, run: ./report.sh}]
        """

    def find(self, spec: PipelineSpec, document: Document, index: Index) -> Iterator[Finding]:
        for position, trigger in enumerate(spec.triggers):
            if trigger.schedule and not known_timezone(trigger.schedule.timezone):
                yield Finding(
                    ("spec", "triggers", position, "schedule", "timezone"),
                    f"{trigger.schedule.timezone!r} is no known time zone.",
                    fix=timezone_fix(trigger.schedule.timezone),
                )


class TriggerUnread(SpecRule[PipelineSpec]):
    """`onData` must name datasets that the pipeline reads."""

    code = "TRU1593"
    about = ("spec.triggers",)
    reason = "A new version would start a run that reads what the last one read."
    good = READS
    bad = examples(
        """
        kind: Pipeline
        metadata: {name: nightly}
        spec:
          triggers: [{onData: [orders]}]
        #                      ^
          steps: [{name: rows, uses: load, with: {dataset: customers}}]
        """,
        DATA,
        """
        kind: Dataset
        metadata: {name: orders}
        spec: {source: raw, schema: {properties: [{name: id, logicalType: string}]}}
        """,
    )

    def find(self, spec: PipelineSpec, document: Document, index: Index) -> Iterator[Finding]:
        if not any(trigger.on_data is not None for trigger in spec.triggers):
            return
        read = set(ports.datasets(spec, document.key.namespace).values())
        if any(ports.builtin(step) is None for step in spec.steps):
            return  # a function or command may read it by itself
        for position, trigger in enumerate(spec.triggers):
            for number, text in enumerate(trigger.on_data or ()):
                if Key("Dataset", *qualified(text, document.key.namespace)) not in read:
                    yield Finding(
                        ("spec", "triggers", position, "onData", number),
                        f"No step of the pipeline reads the dataset {text!r}.",
                        fix=f"The pipeline reads {listed(k.name for k in read)}; name one of those, or load {text!r} in a step.",
                    )


class TriggerNothing(SpecRule[PipelineSpec]):
    """`onData` must name each dataset once, and at least one."""

    code = "TRU1594"
    about = ("spec.triggers",)
    reason = "A trigger without a dataset never fires."
    good = READS
    bad = """
        kind: Pipeline
        metadata: {name: nightly}
        spec:
          triggers: [{onData: []}]
        #                     ^
          steps: [{name: report, run: ./report.sh}]
        """

    def find(self, spec: PipelineSpec, document: Document, index: Index) -> Iterator[Finding]:
        for position, trigger in enumerate(spec.triggers):
            if trigger.on_data is not None and not trigger.on_data:
                yield Finding(
                    ("spec", "triggers", position, "onData"),
                    "The trigger names no dataset.",
                    fix="Name a dataset, or remove the trigger.",
                )
            for number, _, text in repeated(trigger.on_data or ()):
                yield Finding(
                    ("spec", "triggers", position, "onData", number),
                    f"The dataset {text!r} is named twice.",
                    fix="Remove one of them.",
                )


class CodeMissing(SpecRule[PipelineSpec]):
    """`code` must be a folder of the repository, and a pipeline with functions must have it."""

    code = "TRU1595"
    reason = "The steps' code is taken from the revision that is applied, so it must be there."
    good = """
        # files: ml/features.py
        kind: Pipeline
        metadata: {name: nightly}
        spec: {code: ml, steps: [{name: build, uses: "features.py:build"}]}
        """
    bad = """
        # files: ml/features.py
        kind: Pipeline
        metadata: {name: nightly}
        spec: {code: lm, steps: [{name: report, run: ./report.sh}]}
        #            ^
        """

    def find(self, spec: PipelineSpec, document: Document, index: Index) -> Iterator[Finding]:
        if spec.code is None:
            for position, step in enumerate(spec.steps):
                if step.uses and step.uses not in BUILTIN and FUNCTION.match(step.uses):
                    yield Finding(
                        ("spec", "steps", position, "uses"),
                        f"The step {step.name!r} uses a function, but the pipeline names no folder with code.",
                        fix="Add `code: FOLDER`, and write the file relative to it.",
                    )
        elif outside(spec.code) or not (is_folder(spec.code, index) or is_file(spec.code, index)):
            yield Finding(
                ("spec", "code"),
                f"The repository has no folder {spec.code!r} below the workspace.",
                fix=suggestion(spec.code, index, folders=True),
            )


class FunctionFileMissing(SpecRule[PipelineSpec]):
    """The file of a function must be in the pipeline's `code`."""

    code = "TRU1596"
    about = ("spec.code",)
    reason = "The run would stop at the step, after all that comes before it."
    good = CodeMissing.good
    bad = """
        # files: ml/features.py
        kind: Pipeline
        metadata: {name: nightly}
        spec: {code: ml, steps: [{name: build, uses: "feature.py:build"}]}
        #                                            ^
        """

    def find(self, spec: PipelineSpec, document: Document, index: Index) -> Iterator[Finding]:
        if spec.code is None or not is_folder(spec.code, index):
            return
        for position, step in enumerate(spec.steps):
            found = FUNCTION.match(step.uses or "")
            if found is None:
                continue
            path = f"{spec.code.rstrip('/')}/{found['file']}"
            if outside(found["file"]) or not is_file(path, index):
                yield Finding(
                    ("spec", "steps", position, "uses"),
                    f"The repository has no file {path!r}.",
                    fix=suggestion(path, index),
                )


class LockfileMissing(SpecRule[PipelineSpec]):
    """`lockfile` must be a file of the repository, `pylock.toml` or a requirements file."""

    code = "TRU1597"
    about = ("spec.lockfile",)
    reason = "The environment of the steps is built from it, the same everywhere."
    good = """
        # files: ml/pylock.toml
        kind: Pipeline
        metadata: {name: nightly}
        spec: {lockfile: ml/pylock.toml, steps: [{name: report, run: ./report.sh}]}
        """
    bad = """
        # files: ml/pylock.toml
        kind: Pipeline
        metadata: {name: nightly}
        spec: {lockfile: ml/poetry.lock, steps: [{name: report, run: ./report.sh}]}
        #                ^
        """

    def find(self, spec: PipelineSpec, document: Document, index: Index) -> Iterator[Finding]:
        if spec.lockfile is None:
            return
        if outside(spec.lockfile) or not is_file(spec.lockfile, index):
            yield Finding(
                ("spec", "lockfile"),
                f"The repository has no file {spec.lockfile!r} below the workspace.",
                fix=suggestion(spec.lockfile, index),
            )
        elif not re.search(r"(?:^|/)(?:pylock(?:\.[^./]+)?\.toml|[^/]*\.txt)$", spec.lockfile):
            yield Finding(
                ("spec", "lockfile"),
                f"{spec.lockfile!r} is no lock file that uv installs.",
                fix="Make one with `uv export -o pylock.toml`.",
            )


class ImageMutable(SpecRule[PipelineSpec]):
    """`image` must be named by digest."""

    code = "TRU1598"
    about = ("spec.image",)
    reason = "A tag can mean another image tomorrow, and the run could not be repeated."
    good = f"""
        kind: Pipeline
        metadata: {{name: nightly}}
        spec: {{image: "example.com/steps@sha256:{"0" * 64}", steps: [{{name: report, run: ./report.sh}}]}}
        """
    bad = """
        kind: Pipeline
        metadata: {name: nightly}
        spec: {image: "example.com/steps:latest", steps: [{name: report, run: ./report.sh}]}
        #             ^
        """

    def find(self, spec: PipelineSpec, document: Document, index: Index) -> Iterator[Finding]:
        if spec.image is not None and not DIGEST.match(spec.image):
            yield Finding(
                ("spec", "image"),
                f"The image {spec.image!r} is not named by digest.",
                fix="Write `NAME@sha256:…`; `docker buildx imagetools inspect NAME` prints it.",
            )


class DatasetUnknown(SpecRule[PipelineSpec]):
    """`with.dataset` of a step must name a Dataset that exists."""

    code = "TRU1599"
    reason = "There is nothing to load."
    good = READS
    bad = examples(
        """
        kind: Pipeline
        metadata: {name: nightly}
        spec: {steps: [{name: rows, uses: load, with: {dataset: customer}}]}
        #                                                       ^
        """,
        DATA,
    )

    def find(self, spec: PipelineSpec, document: Document, index: Index) -> Iterator[Finding]:
        for position, key in ports.datasets(spec, document.key.namespace).items():
            if not index.written(key):
                yield absent(("spec", "steps", position, "with", "dataset"), key, document.key.namespace, index)


class DatasetUnsaid(SpecRule[PipelineSpec]):
    """`load` and `check` must say the dataset, unless the pipeline reads exactly one."""

    code = "TRU1600"
    reason = "The run could not tell which rows are meant."
    good = READS
    bad = """
        kind: Pipeline
        metadata: {name: nightly}
        spec: {steps: [{name: rows, uses: load}]}
        #                           ^
        """

    def find(self, spec: PipelineSpec, document: Document, index: Index) -> Iterator[Finding]:
        named = None
        for position, step in enumerate(spec.steps):
            if step.uses not in ("load", "check") or "dataset" in step.with_:
                continue
            if named is None:
                named = set(ports.datasets(spec, document.key.namespace).values())
            if len(named) != 1:
                has = f"the pipeline reads {listed(str(k) for k in named)}" if named else "no step names one"
                yield Finding(
                    ("spec", "steps", position, "uses"),
                    f"The step {step.name!r} does not say which dataset it means: {has}.",
                    at_key=True,
                    fix="Add `with: {dataset: NAME}`.",
                )


def served(service: Key, index: Index) -> set[str] | None:
    """The names of a feature service's features, or None where it or one of its views is not there."""
    document = index.get(service)
    if document is None:
        return None
    assert isinstance(document.spec, FeatureServiceSpec)
    found: set[str] = set()
    for projection in document.spec.features:
        view = index.get(Key("FeatureView", *qualified(projection.view, service.namespace)))
        if view is None:
            return None
        assert isinstance(view.spec, FeatureViewSpec)
        found.update(projection.features if projection.features is not None else (f.name for f in view.spec.features))
    return found


def columns_of(key: Key, index: Index) -> frozenset[str] | None:
    """The columns of a dataset, or None where it is not there."""
    document = index.get(key)
    if document is None:
        return None
    assert isinstance(document.spec, DatasetSpec)
    return noted(document.spec.schema_, _names)


def _names(schema: Schema) -> frozenset[str]:
    return frozenset(p.name for p in schema.properties)


RULES: tuple[type[Rule], ...] = (
    TriggerOne,
    TriggerCron,
    TriggerTimezone,
    TriggerUnread,
    TriggerNothing,
    CodeMissing,
    FunctionFileMissing,
    LockfileMissing,
    ImageMutable,
    DatasetUnknown,
    DatasetUnsaid,
)
