"""Where a search looks: what is announced is what is done, and nothing is left unseen."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from edged.stages.views import Effort, views

SHAPES = st.tuples(st.integers(1, 4000), st.integers(1, 4000))


@given(SHAPES, st.sampled_from([(640,), (640, 256), (128, 320)]), st.booleans(), st.integers(1, 2))
def test_the_effort_tells_how_many_looks_it_takes(shape, sizes, tiles, families):
    """One detector run a view and family."""
    effort = Effort(sizes, turns=(0, 2), tiles=tiles)
    assert effort.looks(families, shape) == families * len(list(views(shape, effort)))


@given(SHAPES)
def test_tiles_cover_the_scaled_picture(shape):
    """No pixel of a large picture is in none of them, and none is larger than its square."""
    tiles = [v for v in views(shape, Effort((640,), tiles=True)) if v.tile]
    for axis in (0, 1):
        seen = np.zeros(max((v.scaled[axis] for v in tiles), default=0), bool)
        for view in tiles:
            assert max(view.extent) <= 640
            seen[view.part[axis] : view.part[axis + 2]] = True
        assert seen.all()
