"""A device whose graphs give other pixels than the host is not worked on."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from resident_kit import Lying, bench

from edged.errors import EngineError
from edged.stages.resident_trial import prove


class Wrong:
    """A session whose last output has its rows one place off."""

    def __init__(self, session):
        self._session, self.model_id = session, "wrong"

    def run_resident(self, feeds):
        """As a builder's fault might."""
        return [Lying(np.roll(a.read(), 2, axis=1)) for a in self._session.run_resident(feeds)]

    def __getattr__(self, name):
        return getattr(self._session, name)


def test_graphs_that_give_the_host_s_pixels_pass():
    """Every one is run."""
    made, _ = bench()
    prove(made)
    assert all(one.runs for one in (made.sampler, made.turned, made.cropper))
    assert all(one.runs for one in made.pasters.values())


@pytest.mark.parametrize("which", ["sampler", "turned", "cropper", "pasters"])
def test_a_graph_that_gives_others_is_found(which):
    """Whichever it is; the message says what to do."""
    made, _ = bench()
    good = getattr(made, which)
    bad = {**good, 4: Wrong(good[4])} if which == "pasters" else Wrong(good)
    with pytest.raises(EngineError, match=r"other pixels.*resident = \"off\""):
        prove(replace(made, **{which: bad}))
