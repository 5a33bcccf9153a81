"""Golden cases of networks that we make ourselves: the built-in pack, and the stand-ins."""

from __future__ import annotations

import tempfile
from functools import lru_cache
from pathlib import Path

import cv2
import numpy as np
from golden.case import numbers, pixels
from golden.cases import person, to_crop
from graph_kit import of_file

from edged.bench.standins import faces, pack
from edged.builtin.pack import write_pack
from edged.geometry import similarity, template
from edged.runtime.emap import read_emap
from edged.stages.align import crops
from edged.stages.embed import Embedder
from edged.stages.identity import VectorSource
from edged.stages.restore import Restorer
from edged.stages.scrfd import Scrfd
from edged.stages.swap import Swapper
from edged.stages.yunet import YuNet


@lru_cache(maxsize=1)
def files():
    """The built-in pack and the stand-ins, in a folder that goes with the process."""
    folder = tempfile.TemporaryDirectory()
    made = write_pack(Path(folder.name)), pack.write_standins(Path(folder.name))
    return folder, *made


def swapped() -> np.ndarray:
    """Robin's crop with Kim's face, (128, 128, 3)."""
    _, built, _ = files()
    image, points = person("kim")
    with of_file(built["builtin_recogniser"], "builtin_recogniser") as session:
        vector = Embedder(session)(
            crops(image, [similarity(points, template("arcface_112", 112))], 112)
        )[0]
    path = built["builtin_swapper"]
    with of_file(path, "builtin_swapper") as session:
        swapper = Swapper(session, VectorSource("s", 512, read_emap(path, "s")))
        target = crops(person("robin")[0], [to_crop("robin", "arcface_128", 128)], 128)
        return swapper(target, swapper.latent(vector)[None])[0]


@pixels(most=2, mean=0.2)
def swap():
    return swapped()


@pixels(most=2, mean=0.2)
def restore():
    _, built, _ = files()
    with of_file(built["builtin_restorer"], "builtin_restorer") as session:
        size = int(session.inputs[0].shape[1])
        name = "ffhq_512"
        target = crops(person("kim")[0], [to_crop("kim", name, size)], size)
        return Restorer(session, size, name)(target, 0.8)[0][::2, ::2]


@numbers(2e-3)
def decode_scrfd():
    """Boxes, scores and landmarks of three drawn squares, by SCRFD's contract."""
    return decoded(lambda f: (f.detector, "det_10g"), Scrfd)


@numbers(2e-3)
def decode_yunet():
    """Likewise by YuNet's."""
    return decoded(lambda f: (f.second_detector, "yunet"), YuNet)


def decoded(which, family) -> np.ndarray:
    picture = np.full((320, 320, 3), 128, np.uint8)
    for centre, side, identity in (((80, 90), 60, 1), ((220.0, 100), 90, 2), ((150, 240), 120, 3)):
        faces.draw_face(picture, centre, side, identity)
    path, recipe = which(files()[2])
    with of_file(path, recipe) as session:
        found = family(session)(cv2.resize(picture, (640, 640)), 640)
    order = np.argsort(found.boxes[:, 0])
    columns = [found.boxes, found.scores[:, None], found.landmarks.reshape(len(found), 10)]
    return np.concatenate(columns, axis=1)[order]
