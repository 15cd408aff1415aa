"""What a step sees and what it leaves: allow-listed variables, a home of its own, and no secret on disk."""

from __future__ import annotations

from collections.abc import Callable
from io import BytesIO
from pathlib import Path

import pytest

from trueup.run import local, logs
from trueup.run.states import RunStatus

SECRET = "hunter2-and-more"


def everything(home: Path) -> bytes:
    return b"\n".join(p.read_bytes() for p in home.rglob("*") if p.is_file())


def test_no_secret_reaches_the_disk(run: Callable[..., RunStatus], home: Path) -> None:
    code = home / "trees" / "abc"
    code.mkdir(parents=True)
    (code / "work.py").write_text(
        "import os\ndef ask(context):\n    raise RuntimeError('refused ' + os.environ['TOKEN'])\n"
    )
    found = run(
        {
            "name": "says",
            "run": 'echo "using $TOKEN now"; printf "$TOKEN" | head -c 9; sleep 0.2; printf "$TOKEN" | tail -c 7',
            "env": {"TOKEN": SECRET},
        },
        {"name": "raises", "uses": "work.py:ask", "env": {"TOKEN": SECRET}, "needs": ["says"]},
        code={"uri": "home:trees/abc", "tree": "abc"},
    )
    assert found.outcome == "failed"
    assert "refused ***" in found.reason
    said = list(local.logs(home, found.fingerprint))
    assert "using *** now" in said
    assert SECRET.encode() not in everything(home)


def test_a_failing_command_with_a_secret_says_why_masked(run: Callable[..., RunStatus], home: Path) -> None:
    found = run({"name": "says", "run": 'echo "cannot log in with $TOKEN"; exit 1', "env": {"TOKEN": SECRET}})
    assert "cannot log in with ***" in found.reason
    assert SECRET.encode() not in everything(home)


@pytest.mark.parametrize("cut", range(1, len(SECRET)))
def test_a_secret_in_two_pieces_is_masked(cut: int) -> None:
    class Pieces:
        def __init__(self) -> None:
            self.left = [b"a " + SECRET.encode()[:cut], SECRET.encode()[cut:] + b" z"]

        def read1(self, _size: int) -> bytes:
            return self.left.pop(0) if self.left else b""

    log = BytesIO()
    logs.Masking(Pieces(), log, [SECRET]).finish()
    assert log.getvalue() == b"a *** z"


def test_short_and_many_line_values() -> None:
    assert logs.masked("on 1 begin-key middle-key", ["1", "on", "begin-key\nmiddle-key"]) == "on 1 *** ***"


def test_a_step_sees_allowed_variables_and_its_own_home(
    run: Callable[..., RunStatus], home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PULUMI_CONFIG_PASSPHRASE", "apply-secret")
    monkeypatch.setenv("GITHUB_TOKEN", "forge-secret")
    found = run({"name": "look", "run": "env > out.txt", "outputs": {"out": {"type": "file", "path": "out.txt"}}})
    assert found.outcome == "succeeded", found.reason
    seen = dict(
        line.partition("=")[::2]
        for line in (home / "runs" / found.fingerprint / "steps/look/out.txt").read_text().splitlines()
    )
    assert not {"PULUMI_CONFIG_PASSPHRASE", "GITHUB_TOKEN", "TRUEUP_HOME"} & seen.keys()
    assert seen["MLFLOW_DISABLE_TELEMETRY"] == "true"
    assert seen["HOME"] == str(home / "runs" / found.fingerprint / "steps/look/.trueup/home")
