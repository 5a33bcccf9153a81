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

from edged.geometry import invert
from edged.pipeline.parts import Job, Watch
from edged.runtime.session import Meter
from edged.scene import GuardSettings, Scene
from edged.stages.align import matrices
from edged.stages.easel import HostPicture

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


def test_a_paste_on_a_still_face_does_not_tremble(stage):
    """Six people in 1080p under sensor noise, full looks and a published frame among sixty."""
    if stage.second is None:
        pytest.skip("EDGED_TEST_MODELS is not set: a script's noise proves nothing")
    seed = seed_of_run()
    rng, who = np.random.default_rng(seed), stage.who(GuardSettings())
    still = cv2.resize(t1(), (1920, 1080)).astype(np.float32)
    noise = rng.normal(0, 3, (4, *still.shape)).astype(np.float32)
    alone: dict[int, list[np.ndarray]] = {}
    steadied: dict[int, list[np.ndarray]] = {}
    for number in range(60):
        shift = tuple(int(v) for v in rng.integers(0, 1000, 2))
        frame = still + np.roll(noise[number % 4], shift, (0, 1))
        frame = np.clip(frame, 0, 255).astype(np.uint8)
        now_ms = round(number * 1000 / 30)
        job = Job("booth", "scene", SCENE, whole=number == 40, now_ms=now_ms, stream=True)
        for region in who(HostPicture(frame), job, frame.shape, Watch(Meter())).regions:
            face = region.face
            alone.setdefault(face.track_id, []).append(corners(face.landmarks))
            steadied.setdefault(face.track_id, []).append(corners(face.pasted_by))
    before = [tremble(path[15:]) for path in alone.values()]
    after = [tremble(path[15:]) for path in steadied.values()]
    say(f"\nsensor noise of 3 grey levels, seed {seed}: tremble of {len(before)} pastes, RMS px")
    say(f"each frame on its own  {np.round(before, 2).tolist()}")
    say(f"steadied               {np.round(after, 2).tolist()}")
    assert [len(path) for path in steadied.values()] == [60] * 6
    assert max(after) < 0.3
