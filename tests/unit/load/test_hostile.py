"""Hostile files: each gives a diagnostic with a place, never an exception, within two seconds and 512 MiB.

Seconds are the process's own, so that a busy machine does not count.
The families are generated from fixed seeds. A child process that may not have more memory reads each file as `validate` does.
"""

from __future__ import annotations

import json
import random
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

SECONDS, MEBIBYTES = 2.0, 512
HEAD = b"apiVersion: trueup.dev/v1alpha1\nkind: Dataset\nmetadata: {name: a}\nspec:\n"

CHILD = f"""
import json, resource, sys, time
from pathlib import Path
resource.setrlimit(resource.RLIMIT_AS, ({MEBIBYTES} << 20, {MEBIBYTES} << 20))
from trueup.validate.validation import parse
for path in map(Path, sys.argv[1:]):
    begun = time.process_time()
    found = parse(path.name, path.read_bytes(), "default")
    seconds = time.process_time() - begun
    places = [[d.code, d.location.line, d.location.column, d.summary] for d in found.diagnostics]
    print(json.dumps([path.name, seconds, places, len(found.documents)]), flush=True)
"""


def bombs(rng: random.Random) -> Iterator[bytes]:
    """Aliases of aliases, so that few bytes mean very many values."""
    for fan in range(2, 27):
        lines = ["x0: &x0 [" + ", ".join(["lol"] * fan) + "]"]
        lines += [f"x{i}: &x{i} [" + ", ".join([f"*x{i - 1}"] * fan) + "]" for i in range(1, 40)]
        yield "\n".join(lines).encode()
    for _ in range(5):
        depth = rng.randint(30, 60)
        yield (
            "a0: &a0 {k: v}\n" + "".join(f"a{i}: &a{i} {{l: *a{i - 1}, r: *a{i - 1}}}\n" for i in range(1, depth))
        ).encode()


def nested(rng: random.Random) -> Iterator[bytes]:
    """Values within values."""
    for deep in (65, 100, 1000, 10_000, 100_000):
        yield b"a: " + b"[" * deep
        yield b"a: " + b"[" * deep + b"]" * deep
        yield b"a: " + b"{b: " * deep + b"}" * deep
        yield b"- " * deep + b"x"
        yield b"? " * deep + b"x"
    yield from (b"--- " + b"- " * 9000 + b"x", b"-  " * 9000 + b"x", b"- : " * 9000, b"a:\n" + b"- - " * 9000 + b"x")
    for deep in (80, 300, 900):
        yield b"".join(b" " * i + b"k:\n" for i in range(deep))
    for _ in range(4):
        yield b"".join(rng.choice((b"[", b"{a: ", b"- ", b"? ")) for _ in range(5000))


def duplicates(rng: random.Random) -> Iterator[bytes]:
    """Keys that stand twice, plain, quoted, in flow and deep down."""
    for _ in range(15):
        key = "".join(rng.choices("abcdefghij", k=rng.randint(1, 12)))
        pad = "".join(f"k{i}: {i}\n" for i in range(rng.randint(0, 30)))
        yield f"{key}: 1\n{pad}{key}: 2\n".encode()
        yield f"{key}: 1\n{pad}'{key}': 2\n".encode()
        yield f'o: {{"{key}": 1, {key}: 2}}\n'.encode()


def encodings(rng: random.Random) -> Iterator[bytes]:
    """Bytes that are no UTF-8 text, and characters that YAML forbids."""
    text = HEAD.decode() + "  source: ä\n"
    for name in ("utf-16", "utf-16-le", "utf-16-be", "utf-32", "latin-1"):
        yield text.encode(name)
    for bad in (
        b"\xff",
        b"\xc0\xaf",
        b"\xed\xa0\x80",
        b"\xed\xa0\xbd\xed\xb8\x80",
        b"\xf5\x80\x80\x80",
        b"\xe2\x82",
        b"\x80",
        b"\xfe\xff",
    ):
        yield HEAD + b"  source: " + bad + b"\n"
        yield bad + HEAD
    for code in (0, 1, 7, 8, 0xB, 0xC, 0xE, 0x1B, 0x1F, 0x7F):
        yield HEAD + b"  source: a" + bytes([code]) + b"b\n"
    yield HEAD + b"  source: " + "\ufffe".encode() + b"\n"
    yield HEAD + b"  source: " + "\uffff".encode() + b"\n"
    for _ in range(12):
        yield b"\x80" + rng.randbytes(rng.randint(1, 4000))


def numbers(_: random.Random) -> Iterator[bytes]:
    """Numbers that take long to read, or are none."""
    for digits in (500, 5000, 50_000, 400_000):
        yield b"a: " + b"9" * digits + b"\n"
        yield b"a: -" + b"9" * digits + b"\n"
        yield b"a: 0x" + b"f" * digits + b"\n"
        yield b"a: 1." + b"0" * digits + b"1\n"
        yield b"a: [1, " + b"8" * digits + b"]\n"


def tags(_: random.Random) -> Iterator[bytes]:
    """Tags that other readers make objects of."""
    for tag in (
        "!!python/object/apply:os.system ['true']", "!!python/name:os.system", "!!python/module:os", "!!binary aGk=", "!!set {a, b}",
        "!!omap [a: 1]", "!!timestamp 2020-01-01", "!Ref x", "!include /etc/passwd", "!<tag:example.com,2000:x> y", "!!int x", "!!float y",
        "!!bool z", "!!null n", "!!java.lang.Runtime []", "!<> x", "!!merge <<", "!env HOME",
    ):  # fmt: skip
        yield f"a: {tag}\n".encode()
        yield HEAD + f"  source: {tag}\n".encode()


def cycles(_: random.Random) -> Iterator[bytes]:
    """Values that hold themselves, and aliases of nothing."""
    for text in (
        "a: &a [*a]",
        "a: &a {b: *a}",
        "&a {*a : 1}",
        "a: &x [[[*x]]]",
        "a: *b",
        "&r [*r, *r]",
        "a: &a\n  b: &b [*a, *b]",
        "*a",
    ):
        yield text.encode()
        yield b"---\nx: 1\n---\n" + text.encode()


def types(_: random.Random) -> Iterator[bytes]:
    """Documents that are no mapping or whose fields are of another type."""
    for value in (
        "3",
        "text",
        "[1, 2]",
        "- a\n- b",
        "true",
        "1: 2",
        "null: 1",
        "[a]: b",
        "? {a: b}\n: c",
        "1.5: x",
        "~: y",
        "{}",
        '"quoted"',
    ):
        yield value.encode()
    for field in (
        "[]",
        "1",
        "text",
        "true",
        "[[[]]]",
        "{1: 2}",
        "{schema: 7}",
        "{source: []}",
        "{source: {a: b}}",
        "{schema: {properties: {}}}",
    ):
        yield b"apiVersion: trueup.dev/v1alpha1\nkind: Dataset\nmetadata: {name: a}\nspec: " + field.encode()
        yield b"apiVersion: trueup.dev/v1alpha1\nkind: " + field.encode() + b"\nmetadata: {name: a}\n"
        yield b"apiVersion: trueup.dev/v1alpha1\nkind: Dataset\nmetadata: " + field.encode() + b"\n"


def syntax(rng: random.Random) -> Iterator[bytes]:
    """What is nearly YAML."""
    yield from (
        b"a: b: c\n",
        b"\ta: 1\n",
        b"a:\n\tb: 1\n",
        b"a: 'x\n",
        b'a: "x\n',
        b'a: "\\q"\n',
        b"a: [1\n",
        b"a: }\n",
        b"a: @x\n",
        b"a: `x`\n",
    )
    yield from (
        b"%YAML 1.3\n---\na: 1\n",
        b"%YAML 9\n",
        b"%TAG ! x\n---\na: 1\n",
        b"a\nb: 1\n",
        b"a: |x\n b\n",
        b"a: |99\n b\n",
        b"a: 1\n b: 2\n",
    )
    yield from (
        b'a: "\\ud800"\n',
        b'a: "\\U00110000"\n',
        b'a: "\\x"\n',
        b'a: "\\uZZZZ"\n',
        b"a: 1\n\xef\xbb\xbfb: 2\n",
        b"<<<<<<< HEAD\na: 1\n=======\n",
    )
    valid = HEAD + b"  source: orders\n  schema: {properties: [{name: a, logicalType: string}]}\n"
    for _ in range(25):
        place = rng.randrange(len(HEAD), len(valid) - 2)
        yield valid[:place] + rng.choice((b"\x00", b"\xff", b"\n\t: ", b"{[")) + valid[place:]


def sizes(_: random.Random) -> Iterator[bytes]:
    """Too many bytes, documents or values."""
    yield b"#" * (512 * 1024 + 1)
    yield b"a: " + b"x" * (2 << 20)
    yield b"---\na: 1\n" * 1001
    yield b"---\n" * 1002 + b"a: 1\n"
    yield b"a: [" + b"1," * 240_000 + b"]\n"
    yield b"".join(b"k%d: 1\n" % i for i in range(45_000))
    yield b"a: " + b"'" * 500_001
    yield b"a: |\n" + b" \n" * 100_000 + b"  x\n\ty: [\n"


FAMILIES: dict[str, Callable[[random.Random], Iterator[bytes]]] = {
    f.__name__: f for f in (bombs, nested, duplicates, encodings, numbers, tags, cycles, types, syntax, sizes)
}


def documents() -> dict[str, list[bytes]]:
    """All documents by family."""
    return {name: list(make(random.Random(name))) for name, make in FAMILIES.items()}


def test_there_are_300() -> None:
    found = [d for family in documents().values() for d in family]
    assert len(found) >= 300
    assert len(set(found)) >= 300


@pytest.mark.parametrize("family", FAMILIES)
def test_each_gives_a_diagnostic_quickly_and_in_little_memory(family: str, tmp_path: Path) -> None:
    made = documents()[family]
    files = [tmp_path / f"{family}-{i:03}.yaml" for i in range(len(made))]
    for file, data in zip(files, made, strict=True):
        file.write_bytes(data)
    done = subprocess.run(
        [sys.executable, "-c", CHILD, *map(str, files)], capture_output=True, text=True, check=False, timeout=300
    )
    assert done.returncode == 0, done.stderr[-2000:]
    results = {name: (seconds, found) for name, seconds, found, _ in map(json.loads, done.stdout.splitlines())}
    silent = [n for n, (_, found) in results.items() if not found]
    slow = [(n, seconds) for n, (seconds, _) in results.items() if seconds > SECONDS]
    assert len(results) == len(files)
    assert not silent, [(n, made[int(n[-8:-5])][:100]) for n in silent]
    assert not slow
