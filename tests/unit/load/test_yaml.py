"""Reading YAML: YAML 1.2's values, places, limits, and the two readers that must never disagree."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from trueup.load import yaml
from trueup.load.nodes import place


def values(text: str) -> list[Any]:
    """The values of a text that nothing is wrong with."""
    found = yaml.read("a.yaml", text.encode())
    assert not found.diagnostics
    return list(found.values)


def problems(text: str | bytes) -> list[tuple[str, str]]:
    """Codes and places of what is wrong."""
    found = yaml.read("a.yaml", text if isinstance(text, bytes) else text.encode())
    return [(d.code, str(d.location)) for d in found.diagnostics]


@pytest.mark.parametrize("word", ["on", "off", "yes", "no", "y", "n", "Yes", "NO", "On"])
def test_words_of_yaml_1_1_are_text(word: str) -> None:
    assert values(f"a: {word}\n") == [{"a": word}]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("true", True), ("FALSE", False),
        ("null", None), ("~", None), ("", None), ("012", 12), ("0o17", 15), ("0x1F", 31),
        ("1_000", "1_000"), ("0b11", "0b11"), ("190:20:30", "190:20:30"), ("2020-01-01", "2020-01-01"), ("1e3", 1000.0), (".5", 0.5),
        ("-.inf", -math.inf), ("+12", 12), ("'12'", "12"), ('"true"', "true"), ("=", "="), ("<<", "<<"), ("!!str 12", "12"),
        ("!!int '12'", 12),
    ],
)  # fmt: skip
def test_scalars_mean_what_the_core_schema_says(text: str, value: object) -> None:
    found = values(f"a: {text}\n")[0]["a"]
    assert found == value and type(found) is type(value)


def test_merge_keys_are_plain_keys() -> None:
    assert values("base: &b {x: 1}\nc:\n  <<: *b\n  y: 2\n") == [{"base": {"x": 1}, "c": {"<<": {"x": 1}, "y": 2}}]


def test_anchors_are_read_and_their_aliases_have_places_of_their_own() -> None:
    found = yaml.read("a.yaml", b"a: &x {k: 1}\nb: *x\n")
    assert found.values == ({"a": {"k": 1}, "b": {"k": 1}},)
    assert place(found.nodes[0], ("b",)) == (2, 4)


def test_several_documents_and_empty_ones() -> None:
    assert values("---\na: 1\n---\n---\n# nothing\n---\nb: 2\n...\n") == [{"a": 1}, {"b": 2}]


def test_a_list_is_one_document() -> None:
    assert values("- a: 1\n- b: 2\n") == [[{"a": 1}, {"b": 2}]]


def test_duplicate_keys_show_both_places() -> None:
    found = yaml.read("a.yaml", b"a: 1\nb:\n  c: 1\n  d: 2\n  c: 3\na: 2\n")
    places = [(str(d.location), str(d.related[0].location)) for d in found.diagnostics]
    assert places == [
        ("a.yaml:5:3", "a.yaml:3:3"),
        ("a.yaml:6:1", "a.yaml:1:1"),
    ]


def test_equal_keys_that_look_different_are_duplicates() -> None:
    assert problems("a: 1\n'a': 2\n") == [("TRU0004", "a.yaml:2:1")]


def test_keys_must_be_text_wherever_they_stand() -> None:
    assert problems("a: {b: [{1: x}]}\n") == [("TRU0008", "a.yaml:1:10")]


@pytest.mark.parametrize("ending", ["\n", "\r\n", "\r"])
def test_line_ends_of_all_systems(ending: str) -> None:
    assert values(ending.join(["a: 1", "b:", "  c: text", ""])) == [{"a": 1, "b": {"c": "text"}}]


def test_crlf_keeps_places() -> None:
    assert problems("a: 1\r\nb: [1\r\nc: 2\r\n")[0][1].startswith("a.yaml:3:")


def test_a_byte_order_mark_moves_no_column() -> None:
    assert values("\ufeffa: 1\n") == [{"a": 1}]
    assert problems("\ufeffa: 1\na: 2\n") == [("TRU0004", "a.yaml:2:1")]


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be", "utf-32", "latin-1"])
def test_other_encodings_are_named(encoding: str) -> None:
    (code, _), *_ = problems("a: é\n".encode(encoding))
    assert code in ("TRU0001", "TRU0010")


def test_the_first_byte_that_is_no_utf_8_is_shown() -> None:
    assert problems("a: 1\nbé: ".encode() + b"\xff\n") == [("TRU0001", "a.yaml:2:5")]


@pytest.mark.parametrize(
    "text",
    [
        "日本語: テキスト",
        "emoji: 👩‍👩‍👧‍👦🏳️‍🌈",
        "combining: e\u0301",
        "rtl: שלום",
        "nbsp: a\u00a0b",
        "plane16: \U0010fffd",
        "name: naïve—“quotes”",
    ],
)
def test_odd_unicode_is_read_as_it_is(text: str) -> None:
    key, _, value = text.partition(": ")
    assert values(f"{text}\n") == [{key: value}]
    assert list(yaml.closely("a.yaml", f"{text}\n").values) == [{key: value}]


def test_columns_count_code_points() -> None:
    before = "a: {'👩‍👩‍👧日': 1, b: 2, "
    assert problems(f"{before}b: 3}}\n") == [("TRU0004", f"a.yaml:1:{len(before) + 1}")]


def test_escapes_of_surrogate_pairs_are_never_half_characters() -> None:
    found = yaml.read("a.yaml", b'a: "\\ud83d\\ude00"\n')
    assert found.diagnostics or found.values == ({"a": "😀"},)


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("a: " + "x" * (yaml.LARGEST_FILE + 1), yaml.TOO_LARGE),
        ("a: " + "[" * (yaml.DEEPEST + 1) + "]" * (yaml.DEEPEST + 1), yaml.TOO_DEEP),
        ("---\na: 1\n" * (yaml.MOST_DOCUMENTS + 1), yaml.TOO_MANY),
        ("a: [" + "1," * yaml.MOST_VALUES + "]", yaml.TOO_MANY),
        ("a: " + "9" * 500, yaml.NUMBER),
        ("a: !thing {}", yaml.TAG),
        ("a: \x01", yaml.CONTROL),
    ],
)
def test_limits(text: str, code: str) -> None:
    assert [c for c, _ in problems(text + "\n")] == [code]


def test_what_is_just_within_the_limits_is_read() -> None:
    deep = yaml.DEEPEST - 1
    assert not problems("a: " + "[" * deep + "]" * deep + "\n")
    assert len(values("---\na: 1\n" * yaml.MOST_DOCUMENTS)) == yaml.MOST_DOCUMENTS
    assert len(values("a: [" + "1," * (yaml.MOST_VALUES - 5) + "]\n")[0]["a"]) == yaml.MOST_VALUES - 5


WORDS = st.text(st.sampled_from("0123456789abefoxXnNiIyY_.+-:~?&*!%'\"[]{},# \t\n|><="), max_size=24)


@settings(max_examples=600, deadline=None)
@given(WORDS, WORDS)
@example("a", "0x1_0")
@example("a", "._1")
@example("a", ".Nan")
@example("a", "1__0")
@example("a", "[?x]")
@example("a", "{b:, c}")
@example("a", "|\n x\n  ")
@example("1", "x")
def test_the_readers_never_disagree(key: str, value: str) -> None:
    """Whatever the bulk reader takes, the reader with places takes as the same values, of the same types."""
    text = yaml.text_of(f"{key}: {value}".encode())
    quick = yaml.quick(text)
    if quick is not None:
        close = yaml.closely("a.yaml", text)
        assert not close.diagnostics
        assert repr(list(close.values)) == repr(quick)
