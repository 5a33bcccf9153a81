"""How many faces are found: `python tests/bench/found.py shots|streams MODELS [EVERY]`.

`shots` searches one in EVERY frames of the matrix of tests/recall_kit.py like a shot.
`streams` makes 25 frames of each, moved by up to 6 px, and holds edged's rule against the one
that it had before: full looks upright only, and nothing followed.  A detector run is counted
in looks at 640 px; the public YuNet file always costs one.
"""

from __future__ import annotations

import sys
from collections import defaultdict
from dataclasses import dataclass, field, fields
from pathlib import Path
from types import SimpleNamespace

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from graph_kit import of_file
from recall_kit import UHD, match, matrix
from shots import say

from edged.pipeline.lookout import Lookout
from edged.pipeline.parts import Job, Watch
from edged.pipeline.studio import Studio
from edged.runtime.session import Meter
from edged.scene import GuardSettings, Scene
from edged.stages.easel import HostPicture
from edged.stages.hold import Held
from edged.stages.scrfd import Scrfd
from edged.stages.search import search
from edged.stages.views import Effort
from edged.stages.yunet import YuNet

FRAMES = 25


@dataclass
class Counted:
    """A detector, and what its looks cost."""

    detector: object
    cost: float = 0.0
    runs: int = 0
    family: str = field(init=False)

    def __post_init__(self):
        self.family = self.detector.family

    def __call__(self, picture, side):
        self.runs += 1
        self.cost += 1.0 if self.family == "yunet" else (side / 640) ** 2
        return self.detector(picture, side)


class Before:
    """The rule of streams that close looks replaced."""

    def __init__(self, studio):
        self.studio, self.since = studio, studio.settings.full_look_every_n

    def find(self, picture, job, _watch, changed):
        settings, detectors = self.studio.settings, self.studio.stages.detectors
        faces = picture.search(detectors, Effort(settings.stream_sizes_px, families=1))
        self.since += 1
        if self.since >= settings.full_look_every_n or not faces or changed(faces, job.now_ms):
            self.since = 0
            faces = picture.search(detectors, Effort(settings.sizes_px, tiles=True))
        return faces, None


def boxes(faces):
    return np.array([face.box for face in faces], np.float32).reshape(-1, 4)


def studio_of(detectors):
    """What a lookout needs of one."""
    stages = SimpleNamespace(detectors=detectors, meter=Meter())
    nothing = dict.fromkeys(part.name for part in fields(Studio))
    return Studio(**{**nothing, "stages": stages, "settings": GuardSettings()})


def shots(studio, cases):
    bins = defaultdict(lambda: [0, 0])
    for case in cases:
        truth = case.truth()
        effort = studio.shot_effort(tiles=True)
        hits = match(boxes(search(case.picture(), studio.stages.detectors, effort)), truth.boxes)
        if (hits < 0).any():
            say(f"missed: {case.name}, {(hits < 0).sum()} of {len(hits)}")
        for name in ("all", case.size, f"{case.angle_deg} deg", "{}x{}".format(*case.frame)):
            bins[name][0] += int((hits >= 0).sum())
            bins[name][1] += len(hits)
    for name, (hit, of) in bins.items():
        say(f"| {name} | {hit} of {of} |")


def streams(studio, cases):
    rng = np.random.default_rng(1)
    found = {rule: np.zeros(FRAMES) for rule in (Before, Lookout)}
    cost, runs = dict.fromkeys(found, 0.0), dict.fromkeys(found, 0)
    faces_of = 0
    for case in cases:
        image, truth = case.picture(), case.truth().boxes
        moves = rng.integers(-6, 7, (FRAMES, 2))
        faces_of += len(truth)
        for rule, hits in found.items():
            lookout, held = rule(studio), Held(studio.settings.hold_ms)
            for counted in studio.stages.detectors:
                counted.cost, counted.runs = 0.0, 0
            for number, (across, down) in enumerate(moves):
                frame = np.roll(image, (down, across), (0, 1))
                job = Job("cam", "s", Scene(mode="disguise"), False, now_ms=100 * number)
                watch = Watch(studio.stages.meter)
                faces, _ = lookout.find(HostPicture(frame), job, watch, held.changed)
                held.update(faces, 100 * number)
                moved = truth + np.float32([across, down] * 2)
                hits[number] += (match(boxes(faces), moved) >= 0).sum()
            cost[rule] += sum(d.cost for d in studio.stages.detectors)
            runs[rule] += sum(d.runs for d in studio.stages.detectors)
    say(f"{len(cases)} streams, {faces_of} faces")
    for rule, hits in found.items():
        shares = ", ".join(f"frame {n} {hits[n] / faces_of:.1%}" for n in (0, 8, 16, 24))
        frames = len(cases) * FRAMES
        say(f"{rule.__name__}: {shares}; {runs[rule] / frames:.1f} runs a frame "
            f"that cost {cost[rule] / frames:.2f} looks")  # fmt: skip


if __name__ == "__main__":
    what, models, every = sys.argv[1], Path(sys.argv[2]), int((*sys.argv, "1")[3])
    with (
        of_file(models / "det_500m.onnx", "det_500m") as first,
        of_file(models / "yunet_n_640_640.onnx", "yunet") as second,
    ):
        tools = studio_of([Counted(Scrfd(first)), Counted(YuNet(second))])
        chosen = matrix()[::every]
        if what == "streams":
            streams(tools, [case for case in chosen if case.frame != UHD])
        else:
            shots(tools, chosen)
