"""CODEOWNERS as GitHub documents it: who owns a path."""

from __future__ import annotations

import pytest

from trueup.approve.codeowners import parse

FILE = """\
# Everything, unless a later line says otherwise.
*       @global-owner1 @global-owner2

*.js    @js-owner #This is an inline comment.
*.go docs@example.com
/build/logs/ @doctocat
docs/*  docs@example.com
apps/ @octocat
/scripts/ @doctocat @octocat
**/logs @logger
/apps/github
/models/*.yaml @org/models
/a\\ b.yaml @spacer
!/kept @nobody
[Section]
"""


@pytest.mark.parametrize(
    ("path", "owners"),
    [
        ("trueup.yaml", ("@global-owner1", "@global-owner2")),
        ("deep/down/x.js", ("@js-owner",)),
        ("main.go", ("docs@example.com",)),
        ("build/logs/x", ("@logger",)),
        ("other/build/logs2/x", ("@global-owner1", "@global-owner2")),
        ("docs/getting-started.md", ("docs@example.com",)),
        ("docs/build-app/troubleshooting.md", ("@global-owner1", "@global-owner2")),
        ("apps/x", ("@octocat",)),
        ("deep/apps/y/x", ("@octocat",)),
        ("apps/github", ()),
        ("apps/github/x.yaml", ()),
        ("scripts/run.sh", ("@doctocat", "@octocat")),
        ("deeply/scripts/run.sh", ("@global-owner1", "@global-owner2")),
        ("deeply/logs/x", ("@logger",)),
        ("models/risk.yaml", ("@org/models",)),
        ("models/deep/risk.yaml", ("@global-owner1", "@global-owner2")),
        ("a b.yaml", ("@spacer",)),
        ("kept", ("@global-owner1", "@global-owner2")),
    ],
)
def test_the_last_line_that_matches_says_who_owns_a_path(path: str, owners: tuple[str, ...]) -> None:
    assert parse(FILE).owners(path) == owners


def test_without_a_file_nobody_owns_anything() -> None:
    assert parse("").owners("x") == ()


def test_what_looks_like_an_expression_is_taken_as_it_is_written() -> None:
    assert parse("/a.b(c)+.yaml @x\n").owners("a.b(c)+.yaml") == ("@x",)
    assert parse("/a.b(c)+.yaml @x\n").owners("aXb(c)+.yaml") == ()
