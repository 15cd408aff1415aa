"""Quantities as the API server writes them: the cases of apimachinery's own documentation and tests, and laws over all."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trueup_specs.core.quantities import amount
from trueup_stacks.kubernetes.quantities import canonical


@pytest.mark.parametrize(
    ("written", "stored"),
    [
        (1, "1"),
        (1.5, "1500m"),
        ("1500m", "1500m"),
        ("2000m", "2"),
        (0.1, "100m"),
        ("1000", "1k"),
        ("1024Mi", "1Gi"),
        ("1.5Gi", "1536Mi"),
        ("0.5Gi", "512Mi"),
        ("1000Mi", "1000Mi"),
        ("100Ki", "100Ki"),
        ("0.5Ki", "512"),
        ("1023", "1023"),
        ("134217728", "134217728"),
        ("1e3", "1e3"),
        ("1E6", "1e6"),
        ("12e6", "12e6"),
        ("1500e0", "1500"),
        ("0", "0"),
        ("0Gi", "0"),
        (".5", "500m"),
        ("1.0", "1"),
        ("1G", "1G"),
        ("1000M", "1G"),
        ("0.0000000001", "1n"),
        ("lots", "lots"),
    ],
)
def test_a_quantity_is_what_the_server_stores(written: str | float, stored: str) -> None:
    assert canonical(written) == stored


QUANTITIES = st.builds(
    lambda number, places, suffix: f"{number / 10**places:.{places}f}{suffix}",
    st.integers(0, 10**6),
    st.integers(0, 3),
    st.sampled_from(["", "m", "k", "M", "G", "Ki", "Mi", "Gi", "e3"]),
)


@given(QUANTITIES)
def test_what_is_stored_is_stored_again_as_it_is_and_means_the_same(written: str) -> None:
    stored = canonical(written)
    assert canonical(stored) == stored
    assert amount(stored) == pytest.approx(amount(written), rel=1e-9)
