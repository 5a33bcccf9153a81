"""Runs every loaded network once, so that no visitor waits for a first inference.

Knows stages and which sizes scenes ask for; the pictures are noise.
"""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np

from edged.config import Config
from edged.faces import Embedding, Face, Image, Tensor
from edged.geometry import template
from edged.pipeline.parts import Stages
from edged.stages.embed import SIZE_PX, normalise
from edged.stages.search import search
from edged.stages.swap import Swapper
from edged.stages.views import Effort


def warm(stages: Stages, config: Config, most: int) -> None:
    """Run every network on noise and look at the shapes that come out.

    Args:
        stages: loaded.
        config: checked.
        most: so many faces at once, after every smaller number.  A GPU looks for kernels and
            captures a graph at each new number; a CPU only takes its time.

    Raises:
        ModelError, EngineError: a file does not do what its recipe says.
    """
    noise = np.random.default_rng(0).integers(0, 256, (480, 640, 3), np.uint8)
    for side in sorted({*config.guard.sizes_px, *config.guard.stream_sizes_px}):
        search(noise, stages.detectors, Effort((side,)))
    for count in range(1, most + 1):

        def crop(side: int, count: int = count) -> Image:
            one = np.asarray(cv2.resize(noise, (side, side)), np.uint8)
            return np.repeat(one[None], count, axis=0)

        faces = crop(SIZE_PX)
        stages.recogniser(faces)
        _warm_swapper(stages.swapper, config, crop, stages.embedder.as_given(faces)[0])
        if stages.restorer is not None:
            stages.restorer(crop(stages.restorer.size_px), 1.0)
            stages.recogniser(np.concatenate([faces, faces]))  # before and after
        for stage in (stages.occluder, stages.parser):
            if stage is not None:
                stage(crop(stage.size_px))
        somebody = [_somebody()] * count
        if stages.landmarker is not None:
            stages.landmarker(noise, somebody)
        if stages.liveness is not None:
            stages.liveness(noise, somebody)
    for net in stages.content.nets if stages.content is not None else ():
        net(noise)


def _somebody() -> Face:
    """A face in the middle of the noise."""
    points = template("arcface_112", 112) + np.array([264, 184], np.float32)
    box = np.array([270, 190, 370, 310], np.float32)
    return Face(box, 1.0, points.astype(np.float32), frozenset())


def _warm_swapper(
    swapper: Swapper, config: Config, crop: Callable[[int], Image], vector: Embedding
) -> None:
    """At every size that scenes ask for."""
    sides = {scene.pixel_boost_px or swapper.size_px for scene in config.scenes.values()}
    for side in sorted(sides):
        targets = crop(side)
        if swapper.picture is not None:
            sources: Tensor = np.repeat(crop(swapper.picture.size_px)[:1], len(targets), axis=0)
        else:
            vector = vector if swapper.takes_raw else normalise(vector)
            sources = np.repeat(swapper.latent(vector)[None], len(targets), axis=0)
        swapper.boosted(side)(targets, sources)
