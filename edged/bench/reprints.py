"""Made-up prints and screens of a picture, and what the liveness networks say of them.

    python -m edged.bench.reprints MODELS PICTURE...

These are formulae, not attacks: nobody printed a sheet or held up a telephone.  A network
that tells them apart has shown that it reacts to borders, dots and stripes, no more; one
that does not has shown less.  The detector is det_500m, the networks the MiniFASNet pair,
by their recipes, from the named folder; pictures are those that a person names.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from pathlib import Path

import cv2
import numpy as np

from edged.faces import Face, Image
from edged.recipe import load_recipe
from edged.runtime.graph.load import prepared_bytes
from edged.runtime.onnx import OnnxSession
from edged.stages.liveness import MINIFAS_LIVE_FROM, Liveness, MiniFas
from edged.stages.scrfd import Scrfd
from edged.stages.search import search
from edged.stages.views import Effort

SMALLER = 0.75
"""Share of the frame's sides that a sheet or a screen takes."""

PAIR = ("minifasnet_v2", "minifasnet_v1se")


def untouched(image: Image) -> Image:
    """The photo itself, which is a picture of a person and no person, too."""
    return image


def jpeg(image: Image) -> Image:
    """Quality 60: what a network camera sends."""
    _, data = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, 60])
    return np.asarray(cv2.imdecode(data, cv2.IMREAD_COLOR), np.uint8)


def border(image: Image) -> Image:
    """A sheet with a white border before a plain wall."""
    return _held(image, (245, 245, 245), 0.04)


def ink(image: Image) -> Image:
    """Reprint gamma: paper is no white and ink no black, mid tones fall, edges soften."""
    tone = np.arange(256) / 255
    table = (35 + 190 * tone**1.35).astype(np.uint8)
    return np.asarray(cv2.GaussianBlur(table[image], (0, 0), 0.8), np.uint8)


def halftone(image: Image) -> Image:
    """A dot screen of 4 px at 45 degrees on every channel."""
    height, width = image.shape[:2]
    ys, xs = np.mgrid[:height, :width].astype(np.float32)
    wave = np.cos((xs + ys) * (2 * np.pi / 5.6)) + np.cos((xs - ys) * (2 * np.pi / 5.6))
    return _bytes(image + (wave * 12)[..., None])


def moire(image: Image) -> Image:
    """A screen's stripes of red, green and blue, met by a sensor that is turned by 3 degrees."""
    height, width = image.shape[:2]
    ys, xs = np.mgrid[:height, :width].astype(np.float32)
    along = xs * np.cos(np.deg2rad(3)) + ys * np.sin(np.deg2rad(3))
    shift = np.arange(3) * (2 * np.pi / 3)
    stripes = np.cos(along[..., None] * (2 * np.pi / 3.2) + shift)
    beat = np.cos(along[..., None] * (2 * np.pi / 37) + shift)
    return _bytes(image * (1 + 0.06 * stripes + 0.05 * beat) + 6)


def sheet(image: Image) -> Image:
    """A whole print: ink, dots, border."""
    return border(halftone(ink(image)))


def screen(image: Image) -> Image:
    """A whole screen: bluish, striped, in a black frame."""
    blue = _bytes(image * np.array([1.08, 1.0, 0.94], np.float32))
    return _held(moire(blue), (12, 12, 12), 0.05)


KINDS: Mapping[str, Callable[[Image], Image]] = {
    "the photo itself": untouched,
    "JPEG 60": jpeg,
    "white border": border,
    "reprint gamma": ink,
    "dot screen": halftone,
    "moire": moire,
    "sheet (gamma, dots, border)": sheet,
    "screen (blue, moire, black frame)": screen,
}


def _held(image: Image, colour: tuple[int, int, int], rim: float) -> Image:
    """The picture made smaller, with a rim, before a wall; the frame keeps its size."""
    height, width = image.shape[:2]
    edge = max(2, round(rim * min(height, width)))
    wide, high = int(width * SMALLER), int(height * SMALLER)
    small = cv2.resize(image, (wide, high), interpolation=cv2.INTER_AREA)
    out = np.full_like(image, 140)
    left, top = (width - wide) // 2, (height - high) // 2
    out[top - edge : top + high + edge, left - edge : left + wide + edge] = colour
    out[top : top + high, left : left + wide] = small
    return out


def _bytes(values: np.ndarray) -> Image:
    return np.asarray(np.clip(np.rint(values), 0, 255), np.uint8)


def scores(
    pictures: list[Image], find: Callable[[Image], list[Face]], liveness: Liveness
) -> dict[str, list[float]]:
    """The score of each face of each kind; a face that is not found has none."""
    out: dict[str, list[float]] = {}
    for name, kind in KINDS.items():
        made = [kind(picture) for picture in pictures]
        found = [liveness(one, find(one)) for one in made]
        out[name] = [score for picture in found for score in picture if score is not None]
    return out


def table(found: Mapping[str, list[float]]) -> str:
    """Markdown: of each kind the faces, their median and range, how many count as live."""
    lines = ["| picture | faces | score: median | least to most | counts as live |"]
    lines.append("|---|---|---|---|---|")
    for name, values in found.items():
        live = sum(value >= MINIFAS_LIVE_FROM for value in values)
        spread = f"{min(values):.3f} to {max(values):.3f}" if values else ""
        middle = f"{np.median(values):.3f}" if values else ""
        lines.append(f"| {name} | {len(values)} | {middle} | {spread} | {live} |")
    return "\n".join(lines)


def main(words: list[str]) -> None:
    """See the module."""
    folder = Path(words[0])
    pictures = [np.asarray(cv2.imread(word), np.uint8) for word in words[1:]]
    with ExitStack() as stack:

        def session(model_id: str) -> OnnxSession:
            recipe = load_recipe(model_id)
            graph = prepared_bytes(folder / recipe.file, recipe)
            return stack.enter_context(OnnxSession(graph, model_id=model_id))

        pair = [MiniFas(session(one), load_recipe(one).contract.crop_scale) for one in PAIR]
        detector = Scrfd(session("det_500m"), 0.5)
        found = scores(
            pictures,
            lambda picture: search(picture, [detector], Effort((640,))),
            Liveness(tuple(pair), MINIFAS_LIVE_FROM),
        )
    print(table(found))  # noqa: T201 - this is what it is run for


if __name__ == "__main__":
    main(sys.argv[1:])
