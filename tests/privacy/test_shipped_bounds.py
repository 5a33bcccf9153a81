"""The bounds in `calibration/guard.toml`, measured again on the photos at hand."""

from __future__ import annotations

import numpy as np
import pytest
from graph_kit import of_file
from photos import astronaut, t1

from edged.builtin.character import LOOKS, draw_character
from edged.builtin.mask import inner_face_mask
from edged.builtin.pack import write_pack
from edged.calibration import load
from edged.geometry import similarity, template
from edged.measure.attacks import ATTACKS
from edged.privacy.pixels import still_shows
from edged.resources import data_folder
from edged.runtime.emap import read_emap
from edged.stages.align import crops, matrices
from edged.stages.embed import Embedder
from edged.stages.identity import VectorSource
from edged.stages.layers import through
from edged.stages.mouth import mouths
from edged.stages.paste import Mask, paste
from edged.stages.scrfd import Scrfd
from edged.stages.search import search
from edged.stages.swap import Swapper
from edged.stages.views import Effort


@pytest.fixture(scope="module")
def people(test_models):
    """(photo, landmarks) of seven people."""
    with of_file(test_models / "det_500m.onnx", "det_500m") as session:
        found = [
            (photo, face.landmarks)
            for photo in (t1(), astronaut())
            for face in search(photo, [Scrfd(session)], Effort((640,)))
        ]
    assert len(found) == 7
    return found


@pytest.fixture(scope="module")
def pack(tmp_path_factory):
    return write_pack(tmp_path_factory.mktemp("pack"))


def after(photo, points, change, *, mouth_kept=False):
    """Aligned 112 px crops of a photo before and after a change of its 128 px crop."""
    to_swap = similarity(points, template("arcface_128", 128))
    to_guard = similarity(points, template("arcface_112", 112))
    out = photo.copy()
    changed = change(crops(photo, [to_swap], 128)[0])
    layers = [mouths([points], [to_swap])] if mouth_kept else []
    mask = through(Mask.of(inner_face_mask(128)), layers, 0, to_swap)
    paste(out, np.ascontiguousarray(changed), to_swap, mask)
    return crops(photo, [to_guard], 112)[0], crops(out, [to_guard], 112)[0]


@pytest.mark.parametrize("mouth_kept", [False, True])
@pytest.mark.parametrize("attack", ATTACKS)
def test_no_attack_passes_the_pixel_test(people, attack, mouth_kept):
    """Whatever leaves a person visible exceeds a shipped bound, for each of seven people."""
    bound = load(data_folder("calibration") / "guard.toml").swappers["builtin_swapper"]
    for photo, points in people:
        before, now = after(photo, points, ATTACKS[attack], mouth_kept=mouth_kept)
        assert still_shows(
            before, now, bound.coarse_max, bound.untouched_max, mouth_kept=mouth_kept
        )


@pytest.mark.parametrize("mouth_kept", [False, True])
def test_swaps_pass_the_pixel_test(people, pack, mouth_kept):
    """Of the swaps of seven people with nine characters at most one in twenty is filled."""
    bound = load(data_folder("calibration") / "guard.toml").swappers["builtin_swapper"]
    with (
        of_file(pack["builtin_recogniser"], "builtin_recogniser") as r,
        of_file(pack["builtin_swapper"], "builtin_swapper") as s,
    ):
        embed = Embedder(r)
        swapper = Swapper(s, VectorSource("s", 512, read_emap(pack["builtin_swapper"], "s")))
        sources = people + [draw_character(name) for name in LOOKS]
        latents = [
            swapper.latent(embed(crops(p, matrices([q], "arcface_112", 112), 112))[0])
            for p, q in sources
        ]
        failed = total = 0
        for number, (photo, points) in enumerate(people):
            for other, latent in enumerate(latents):
                if other == number:
                    continue

                def change(crop, latent=latent):
                    return swapper(crop[None], latent[None])[0]

                before, now = after(photo, points, change, mouth_kept=mouth_kept)
                total += 1
                failed += still_shows(
                    before, now, bound.coarse_max, bound.untouched_max, mouth_kept=mouth_kept
                )
    assert total == 63
    assert failed <= 3


def test_strangers_stay_below_the_identity_bound(people, pack):
    """The built-in recogniser keeps seven people apart by the shipped bound."""
    bound = load(data_folder("calibration") / "guard.toml").recognisers["builtin_recogniser"]
    with of_file(pack["builtin_recogniser"], "builtin_recogniser") as session:
        vectors = np.concatenate(
            [Embedder(session)(crops(p, matrices([q], "arcface_112", 112), 112)) for p, q in people]
        )
    cosines = (vectors @ vectors.T)[np.triu_indices(7, 1)]
    assert cosines.max() < bound.identity_max
