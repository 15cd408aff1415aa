"""Lock files: which packages, each with its hashes, or a sentence that says what to do."""

from __future__ import annotations

import pytest

from trueup.build import locks
from trueup.build.errors import BuildError

H = "a" * 64
PYLOCK = f"""
lock-version = "1.0"
[[packages]]
name = "Humanize"
version = "4.17.0"
wheels = [{{ url = "https://example.com/humanize-4.17.0-py3-none-any.whl", hashes = {{ sha256 = "{H}" }} }}]
"""


def test_requirements_with_hashes() -> None:
    text = f"""# written by a tool
--index-url https://example.com/simple
Jinja2==3.1.2 ; python_version >= "3.8" \\
    --hash=sha256:{H} \\
    --hash=sha256:{H}
    # via something
uvicorn[standard]==0.30  --hash=sha256:{H}  # why
"""
    found = locks.read("requirements.txt", text.encode(), {})
    assert found.names == {"jinja2", "uvicorn"}
    assert found.content == text.encode()


def test_a_lock_without_hashes_is_refused() -> None:
    text = f"numpy==2.0\npandas==2.2\nsix==1.0 --hash=sha256:{H}\n"
    with pytest.raises(
        BuildError, match=r"envs/req.txt has no hashes for numpy, pandas: .*uv pip compile --generate-hashes"
    ):
        locks.read("envs/req.txt", text.encode(), {})


@pytest.mark.parametrize("line", ["-r other.txt", "-e .", "--constraint c.txt", "--requirement=x"])
def test_a_lock_that_leads_elsewhere_is_refused(line: str) -> None:
    with pytest.raises(BuildError, match=r"leads to others"):
        locks.read("requirements.txt", f"{line}\n".encode(), {})


def test_pylock() -> None:
    found = locks.read("pylock.toml", PYLOCK.encode(), {})
    assert (found.names, found.file) == ({"humanize"}, "pylock.toml")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (PYLOCK.replace(f'sha256 = "{H}"', ""), "no hashes for Humanize"),
        (
            PYLOCK.partition("wheels")[0] + 'vcs = {type = "git", url = "x"}',
            "takes Humanize from a folder or a repository",
        ),
        ("a = ", "cannot be read"),
        ("[project]\nname = 'x'", "names no package"),
    ],
)
def test_a_pylock_that_cannot_be_built_from_is_refused(text: str, said: str) -> None:
    with pytest.raises(BuildError, match=said):
        locks.read("pylock.toml", text.encode(), {})


def test_uv_lock_is_exported_without_the_project() -> None:
    project = b'[project]\nname = "steps"\nversion = "0"\nrequires-python = ">=3.11"\ndependencies = ["six"]\n'
    lock = f"""version = 1
revision = 3
requires-python = ">=3.11"
[[package]]
name = "six"
version = "1.17.0"
source = {{ registry = "https://example.com/simple" }}
wheels = [{{ url = "https://example.com/six-1.17.0-py2.py3-none-any.whl", hash = "sha256:{H}" }}]
[[package]]
name = "steps"
version = "0"
source = {{ virtual = "." }}
dependencies = [{{ name = "six" }}]
"""
    found = locks.read("steps/uv.lock", lock.encode(), {"pyproject.toml": project})
    assert found.names == {"six"}
    assert f"--hash=sha256:{H}".encode() in found.content
    with pytest.raises(BuildError, match=r"needs its project's pyproject.toml beside it"):
        locks.read("steps/uv.lock", lock.encode(), {})
