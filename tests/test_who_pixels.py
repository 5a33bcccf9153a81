"""Faces of real photos walk over a background: found, told apart, steadied, by real networks.

Without `EDGED_TEST_MODELS` on stand-ins.  Seeds are new in every run and printed;
`EDGED_WHO_SEED` repeats one.
"""

from __future__ import annotations

import os
import secrets

import cv2
import numpy as np
import pytest
from photos import t1
from shots import real_models, say
from who_kit import HEAD, Count, Nearest
from who_pixels import FPS, SECONDS, Movie, Scripted, Stage, whose

from edged.faces import Face
from edged.geometry import invert
from edged.pipeline_parts import Job, Watch
from edged.runtime.session import Meter
from edged.scene import Scene
from edged.stages.align import matrices
from edged.stages.easel import HostPicture
from edged.stages.search import search
from edged.stages.steady import Steady
from edged.stages.views import Effort

SCENE = Scene(mode="disguise", identities=tuple(f"c{number}" for number in range(6)))


@pytest.fixture(scope="module")
def stage(tmp_path_factory):
    with Stage(real_models(), tmp_path_factory.mktemp("stage")) as made:
        yield made


def seed_of_run():
    return int(os.environ.get("EDGED_WHO_SEED") or secrets.randbelow(2**32))


def test_walkers_keep_their_characters(stage):
    """Crossing, away for five seconds, a stranger among them: nobody changes."""
    seed = seed_of_run()
    movie, who = Movie(stage, seed), stage.who()
    ours = Count(stranger_may=True)
    peers = {least: (Nearest(least), Count(stranger_may=False)) for least in (-1.0, stage.same)}
    met, found, embedded = set(), 0, 0
    for frame, now_ms, places in movie:
        job = Job("booth", "scene", SCENE, whole=False, now_ms=now_ms, stream=True)
        seen = who(HostPicture(frame), job, frame.shape, Watch(Meter()))
        faces = [region.face for region in seen.regions]
        people = whose(faces, places)
        real = [number for number, person in enumerate(people) if person is not None]
        ours([people[n] for n in real], [seen.cast[n] for n in real])
        found, embedded = found + len(faces), embedded + seen.embedded
        vectors = stage.embed_all(frame, faces)
        for rule, count in peers.values():
            for n in real:
                if people[n] not in met and people[n] != 4:
                    rule([vectors[n]], enrol=True)
            count([people[n] for n in real], rule([vectors[n] for n in real], enrol=False))
        met |= {people[n] for n in real if people[n] != 4}
    name = (
        "scripted detector" if isinstance(stage.detector, Scripted) else "det_500m, MobileFaceNet"
    )
    say(f"\n{name}, {SECONDS} s at {FPS} fps, seed {seed}, {found} faces\n{HEAD}")
    say(peers[-1.0][1].row("nearest reference, no threshold"))
    say(peers[stage.same][1].row("nearest reference, fixed threshold"))
    say(ours.row("edged, on_stranger = next") + f"   embeds a face {embedded / found:.2f}")
    assert movie.crossing > 0.5
    assert (ours.switches, ours.stranger, ours.shared) == (0, 0, 0)
    assert ours.share > 0.9
    assert embedded < 0.75 * found


def corners(points):
    """Where the corners of a swap's crop lie in the picture, (4, 2) px."""
    to_crop = matrices([points], "arcface_128", 128)[0]
    square = np.float32([[0, 0], [127, 0], [127, 127], [0, 127]])
    return square @ invert(to_crop)[:, :2].T + invert(to_crop)[:, 2]


def tremble(path):
    """RMS px of a paste's corners round their mean place."""
    path = np.array(path)
    return float(np.sqrt(((path - path.mean(axis=0)) ** 2).sum(axis=-1).mean()))


@pytest.mark.parametrize("sigma", [2.0, 4.0])
def test_a_paste_on_a_still_face_does_not_tremble(stage, sigma):
    """Six people in 1080p under sensor noise, ninety frames: below 0.3 px RMS."""
    if isinstance(stage.detector, Scripted):
        pytest.skip("EDGED_TEST_MODELS is not set: a script's noise proves nothing")
    seed = seed_of_run()
    rng = np.random.default_rng(seed)
    still = cv2.resize(t1(), (1920, 1080)).astype(np.float32)
    raw: list[list[np.ndarray]] = [[] for _ in range(6)]
    steadied: list[list[np.ndarray]] = [[] for _ in range(6)]
    filters = [Steady() for _ in range(6)]
    for number in range(90):
        noise = rng.normal(0, sigma, still.shape).astype(np.float32)
        frame = np.clip(still + noise, 0, 255).astype(np.uint8)
        faces: list[Face] = search(frame, [stage.detector], Effort((640,), families=1))
        faces = sorted(faces, key=lambda f: float(f.box[0]))
        assert len(faces) == 6
        for place, face in enumerate(faces):
            raw[place].append(corners(face.landmarks))
            out = filters[place](face.landmarks, face.box, round(number * 1000 / 30))
            steadied[place].append(corners(out))
    before = [tremble(path[15:]) for path in raw]
    after = [tremble(path[15:]) for path in steadied]
    say(f"\nnoise {sigma:.0f} grey levels, seed {seed}: tremble of six pastes, RMS px")
    say(f"every frame on its own {np.round(before, 2).tolist()}")
    say(f"steadied               {np.round(after, 2).tolist()}")
    assert np.median(after) < 0.3
    assert max(after) < 0.5 * max(before)
