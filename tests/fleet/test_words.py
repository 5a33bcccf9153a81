"""Counts and spans as people say them."""

from __future__ import annotations

import pytest

from edged.fleet.words import counted, span


@pytest.mark.parametrize(
    ("count", "said"), [(0, "0 devices"), (1, "1 device"), (2, "2 devices")]
)  # fmt: skip
def test_a_count_agrees_with_its_noun(count, said):
    """One is singular, none is not."""
    assert counted(count, "device") == said


@pytest.mark.parametrize(
    ("seconds", "said"),
    [(0, "0 s"), (119, "119 s"), (120, "2 min"), (7199, "120 min"), (7200, "2 h"),
     (172_799, "48 h"), (172_800, "2 days")],
)  # fmt: skip
def test_a_span_is_told_in_a_unit_that_fits(seconds, said):
    """Three digits at most."""
    assert span(seconds) == said
