"""What a look at a file tells is at least what reading it tells, however it is written."""

from __future__ import annotations

from typing import Any

import pytest
import yaml_rs
from hypothesis import given, settings
from hypothesis import strategies as st

from trueup.validate import cells, glances
from trueup.validate.validation import parse

HEAD = "apiVersion: trueup.dev/v1alpha1\nkind: {kind}\nmetadata:\n  name: risk\n{metadata}spec:\n"
MODEL = "  pipeline: {pipeline}\n  task: classification\n  label: {label}\n"
NAMES = st.sampled_from(["oak", "fir", "oak/risk", "fir/risk", "a-b/c", "default/x"])
FORMS = st.sampled_from(
    ["{}", "'{}'", '"{}"', "{} # oak/pine", ">-\n    {}", "|-\n    {}", "\n    {}", '"{}" # namespace: yew']
)
PLAIN = "  namespace: fir\n  owner: oak\n"
METADATA = [
    "",
    "  namespace: fir\n",
    PLAIN,
    "  namespace: 'fir'\n",
    "  namespace:\n    fir\n",
    "  'namespace': fir\n",
    "  labels: {namespace: fir}\n",
    "  labels:\n    namespace: fir\n",
    "  annotations: {about: oak/risk}\n  namespace: fir  # ours\n",
    "  movedFrom: oak/risk\n",
    "  labels: {a: &here yew, namespace: *here}\n",
]


@given(metadata=st.sampled_from(METADATA), name=NAMES, form=FORMS, label=NAMES, label_form=FORMS)
@settings(max_examples=300, deadline=None)
def test_a_look_tells_at_least_what_reading_tells(
    metadata: str, name: str, form: str, label: str, label_form: str
) -> None:
    text = HEAD.format(kind="Model", metadata=metadata)
    text += MODEL.format(pipeline=form.format(name), label=label_form.format(label))
    parsed = parse("risk.yaml", text.encode(), "default")
    told = glances.ties(text.encode(), "default")
    if told is None or parsed.diagnostics:
        return
    read = cells.ties(parsed)
    assert told.namespaces == read.namespaces
    assert told.mentioned >= read.mentioned - read.namespaces


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (HEAD.format(kind="Model", metadata=PLAIN) + MODEL.format(pipeline="oak/train", label="y"), {"fir"}),
        ("# Ours\n" + HEAD.format(kind="Dataset", metadata="") + "  source: raw\n", {"default"}),
        (HEAD.format(kind="Team", metadata="") + "  owns: [fir]\n", {""}),
    ],
)
def test_plain_files_are_told(text: str, expected: set[str]) -> None:
    assert yaml_rs.loads(text)["kind"]
    found: Any = glances.ties(text.encode(), "default")
    assert found is not None and found.namespaces == expected
    assert found.mentioned == ({"oak"} if "oak/train" in text else set())


@pytest.mark.parametrize(
    "text",
    [
        HEAD.format(kind="Model", metadata=PLAIN) + '  pipeline: "oak\\x2ftrain"\n',
        HEAD.format(kind="Model", metadata="  labels: {a: &x fir}\n") + "  pipeline: training\n",
        HEAD.format(kind="Gateway", metadata=PLAIN) + "  listeners: [{port: 80}]\n",
        HEAD.format(kind="Model", metadata=PLAIN) + "  pipeline: a\n---\n" + HEAD.format(kind="Model", metadata=""),
        HEAD.format(kind="Model", metadata="  labels: {namespace: fir}\n") + "  pipeline: training\n",
        "{apiVersion: trueup.dev/v1alpha1, kind: Model, metadata: {name: risk}}\n",
        "",
    ],
)
def test_files_that_do_not_tell_have_to_be_read(text: str) -> None:
    assert glances.ties(text.encode(), "default") is None
