"""Which version comes first; for Debian's, `dpkg` is the judge."""

from __future__ import annotations

import shutil
import subprocess
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trueup.build.versions import earlier

PART = st.text("0123456789.+~ab", min_size=0, max_size=6)
VERSION = st.builds(
    lambda e, u, r: f"{e}1{u}{r}", st.sampled_from(["", "0:", "1:"]), PART, st.sampled_from(["", "-1", "-1~x", "-0+b1"])
)


@pytest.mark.skipif(shutil.which("dpkg") is None, reason="dpkg is Debian's")
@settings(max_examples=150, deadline=None)
@given(VERSION, VERSION)
def test_debian_as_dpkg_sees_it(one: str, other: str) -> None:
    done = subprocess.run(["dpkg", "--compare-versions", one, "lt", other], capture_output=True, check=False)
    assert earlier("Debian:12", one, other) is (done.returncode == 0)


@pytest.mark.parametrize(
    ("ecosystem", "rising"),
    [
        ("PyPI", ["1.0.dev1", "1.0a1", "1.0rc1", "1.0", "1.0.post1", "1.2", "1.10"]),
        ("Alpine:v3.20", ["1.2_alpha1", "1.2_rc1", "1.2-r0", "1.2-r2", "1.2-r10", "1.2a-r0", "1.10"]),
        ("Wolfi", ["3.3.1-r0", "3.3.1-r1", "3.3.2-r0", "3.10.0-r0"]),
    ],
)
def test_order(ecosystem: str, rising: list[str]) -> None:
    for low, high in pairwise(rising):
        assert earlier(ecosystem, low, high), (low, high)
        assert not earlier(ecosystem, high, low)
        assert not earlier(ecosystem, low, low)


@pytest.mark.parametrize("ecosystem", ["PyPI", "Alpine:v3.20"])
def test_what_is_no_version_is_said(ecosystem: str) -> None:
    with pytest.raises(ValueError, match="not-one"):
        earlier(ecosystem, "not-one!", "1")
