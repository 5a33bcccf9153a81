"""A reply holds words and numbers: pixels have no way into it."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edged.daemon.command_reply import MAX_ITEMS, MAX_TEXT, plain

WORDS = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=50),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=9), inner),
    max_leaves=20,
)


@given(st.dictionaries(st.text(max_size=9), WORDS, max_size=4))
def test_plain_data_passes_as_it_is(data):
    """Numbers, texts, lists and tables."""
    assert plain(data) is not data
    assert repr(plain(data)) == repr(data)


PICTURE = np.zeros((4, 4, 3), np.uint8)


@pytest.mark.parametrize(
    "hidden",
    [
        PICTURE, PICTURE.tobytes(), bytearray(9), memoryview(b"x"), np.float32(1), {1, 2},
        "x" * (MAX_TEXT + 1), list(range(MAX_ITEMS + 1)), object(),
    ],
    ids=lambda value: type(value).__name__,
)  # fmt: skip
@pytest.mark.parametrize("wrap", [lambda x: x, lambda x: [{"a": x}], lambda x: {"a": (1, x)}])
def test_what_could_hold_a_picture_does_not_pass(hidden, wrap):
    """However deep it is hidden."""
    with pytest.raises(TypeError):
        plain({"data": wrap(hidden)})


def test_a_deep_reply_does_not_pass():
    """Nor does a key that is none."""
    deep = []
    for _ in range(50):
        deep = [deep]
    for data in ({"a": deep}, {"a": {b"x": 1}}, {"a": {"x" * (MAX_TEXT + 1): 1}}):
        with pytest.raises(TypeError):
            plain(data)
