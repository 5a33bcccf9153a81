"""Runs every loaded network once, so that no visitor waits for a first inference.

Knows stages and which sizes scenes ask for, and no picture of anybody.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import NamedTuple

import cv2
import numpy as np

from edged.config import Config
from edged.faces import Embedding, Face, Image, Tensor
from edged.geometry import template
from edged.pipeline.parts import Stages
from edged.stages.embed import SIZE_PX, normalise
from edged.stages.search import Detector, search
from edged.stages.segment import Occluder, Parser
from edged.stages.swap import Swapper
from edged.stages.views import Effort


class Trial(NamedTuple):
    """A network and how to run it.

    Attributes:
        name: of the stage.
        run: runs it, on so many faces.
        often: it makes a difference how many.
    """

    name: str
    run: Callable[[int], object]
    often: bool = True


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
    for count in range(1, most + 1):
        for trial in trials(stages, config, noise):
            if trial.often or count == 1:
                trial.run(count)


def trials(stages: Stages, config: Config, picture: Image) -> Iterator[Trial]:
    """Every loaded network, by stage, to be run on a picture; what comes out is dropped.

    Args:
        stages: loaded.
        config: checked.
        picture: (h, w, 3) uint8 BGR; faces are crops of all of it.
    """

    def crop(side: int, count: int) -> Image:
        one = np.asarray(cv2.resize(picture, (side, side)), np.uint8)
        return np.repeat(one[None], count, axis=0)

    def recognise(count: int) -> None:
        stages.recogniser(crop(SIZE_PX, count))
        if stages.restorer is not None:
            stages.recogniser(crop(SIZE_PX, 2 * count))  # before and after

    def swap(count: int) -> None:
        vector = stages.embedder.as_given(crop(SIZE_PX, count))[0]
        _warm_swapper(stages.swapper, config, lambda side: crop(side, count), vector)

    def look(detector: Detector, _count: int) -> None:
        for side in sorted({*config.guard.sizes_px, *config.guard.stream_sizes_px}):
            search(picture, [detector], Effort((side,)))

    for detector in stages.detectors:
        yield Trial(f"detector-{detector.family}", partial(look, detector), often=False)
    yield Trial("recogniser", recognise)
    yield Trial("swapper", swap)
    yield from _croppers(stages, crop)
    yield from _lookers(stages, picture)


def _croppers(stages: Stages, crop: Callable[[int, int], Image]) -> Iterator[Trial]:
    """Networks that look at a face's crop."""

    def map_out(stage: Occluder | Parser, count: int) -> None:
        stage(crop(stage.size_px, count))

    restorer = stages.restorer
    if restorer is not None:
        yield Trial("restorer", lambda count: restorer(crop(restorer.size_px, count), 1.0))
    if stages.occluder is not None:
        yield Trial("occluder", partial(map_out, stages.occluder))
    if stages.parser is not None:
        yield Trial("parser", partial(map_out, stages.parser))


def _lookers(stages: Stages, picture: Image) -> Iterator[Trial]:
    """Networks that look at the whole picture, or at faces in it."""
    landmarker, liveness, content = stages.landmarker, stages.liveness, stages.content
    if landmarker is not None:
        yield Trial("landmarker", lambda count: landmarker(picture, [_somebody()] * count))
    if liveness is not None:
        yield Trial("liveness", lambda count: liveness(picture, [_somebody()] * count))
    if content is not None:
        yield Trial("content", lambda _: [net(picture) for net in content.nets], often=False)


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
