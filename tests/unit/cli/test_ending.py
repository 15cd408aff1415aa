"""How a short command ends: at once, with all that it printed and all that was asked for its end."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import Any

import pytest

ENDING = """
import atexit, sys

class Kept:
    def __del__(self):
        print("freed by the interpreter")

kept = Kept()
atexit.register(print, "asked for")
from trueup.cli.main import start
sys.argv = ["trueup", *sys.argv[1:]]
start()
"""


def ended(world: Any, *arguments: str, **more: Any) -> subprocess.CompletedProcess[str]:
    program = [sys.executable, "-c", ENDING, *arguments]
    return subprocess.run(program, cwd=world.folder, text=True, stderr=subprocess.PIPE, check=False, timeout=60, **more)


@pytest.mark.parametrize(
    ("arguments", "code", "told"),
    [
        (("validate",), 0, "no problems"),
        (("validate", "nowhere.yaml"), 3, ""),
        (("validate", "--bad"), 64, ""),
        (("plan", "dev", "--detailed-exitcode"), 2, "to create"),
    ],
)
def test_a_short_command_frees_nothing_and_prints_all(
    world: Any, arguments: tuple[str, ...], code: int, told: str
) -> None:
    done = ended(world, *arguments, stdout=subprocess.PIPE)
    assert done.returncode == code and told in done.stdout, done
    assert done.stdout.endswith("asked for\n") and "freed" not in done.stdout


def test_another_command_ends_as_python_does(world: Any) -> None:
    done = ended(world, "--version", stdout=subprocess.PIPE)
    assert done.returncode == 0 and done.stdout.endswith("asked for\nfreed by the interpreter\n"), done


def test_who_has_read_enough_gets_no_traceback(world: Any) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    try:
        done = ended(world, "validate", stdout=writing)
    finally:
        os.close(writing)
    assert "Traceback" not in done.stderr and done.returncode == 0, done.stderr
