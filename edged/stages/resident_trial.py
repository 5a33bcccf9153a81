"""Opens the picture graphs of a device and tries them: the host's pixels, or they are not used.

A builder that miscompiles, or a library of another mind, would put half a face beside a
face; the guard would refuse such pictures one by one and nobody would know why.  So the
graphs are run once before the first frame, on a drawn picture, and held against OpenCV.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from edged.errors import EngineError
from edged.faces import Image, Tensor
from edged.geometry import Matrix
from edged.runtime.graph import picture
from edged.runtime.session import Session
from edged.stages.align import crops
from edged.stages.paste import oval_mask, paste
from edged.stages.resident import DevicePicture
from edged.stages.resident_bench import Bench
from edged.stages.search import HostLook
from edged.stages.views import Effort, views

MOST_LEVELS = 1
MOST_BEYOND = 0.02
"""So many values may differ by more: builds of OpenCV with vendor code sample between other
places, which on a smooth picture shows at the borders alone.  What is miscompiled differs
everywhere."""

SHAPE = (270, 480)
SIDE_PX = 320
_PLACES = ((0.9, 0.3, 150.0, 120.0), (0.6, -2.2, 240.0, 160.0), (1.4, 1.5, 475.0, 20.0))
"""Scale (to a crop of 128 px), turn in radians and middle of three faces: two overlap, the
last one is cut off by the frame."""


def open_bench(
    opened: Callable[[str, bytes], Session],
    resident: Callable[[str], bool],
    largest_px: int = picture.LARGEST_PX,
) -> Bench:
    """Everything that works on one device, proven.

    Args:
        opened: gives the entered session of a graph, from a name for messages and the
            ONNX file's bytes.
        resident: see :class:`edged.stages.resident_bench.Bench`.
        largest_px: likewise.

    Raises:
        EngineError: a graph cannot be opened there, or gives other pixels than the host.
    """
    made = {
        name: opened(name, model.SerializeToString())
        for name, model in picture.all_graphs().items()
    }
    bench = Bench(
        sampler=made["picture-sampler"],
        turned=made["picture-turned"],
        cropper=made["picture-cropper"],
        pasters={count: made[picture.paster_name(count)] for count in picture.BUCKETS},
        resident=resident,
        largest_px=largest_px,
    )
    prove(bench)
    return bench


def prove(bench: Bench) -> None:
    """Run every graph and compare.

    Raises:
        EngineError: one gives other pixels than the host.
    """
    drawn = _drawn(*SHAPE)
    shown, host = DevicePicture(drawn, bench), HostLook(drawn)
    for view in views(SHAPE, Effort((SIDE_PX,), turns=(0, 1, 2, 3))):
        session = bench.turned if view.turn % 2 else bench.sampler
        canvas = session.download(shown.view(view, SIDE_PX, SIDE_PX))
        expected = np.zeros((1, SIDE_PX, SIDE_PX, 3), np.uint8)
        turned = host.picture(view)
        expected[0, : turned.shape[0], : turned.shape[1]] = turned
        _compare(session, canvas, expected)
    for side in (112, 512):
        faces = _faces(side)
        cut = bench.down(bench.cut(shown.array, faces, side), len(faces))
        _compare(bench.cropper, cut, crops(drawn, faces, side))
    mask = oval_mask("arcface_128", 128)
    for count, session in bench.pasters.items():
        faces = (_faces(128) * count)[:count]
        pieces = np.stack([np.roll(_drawn(128, 128), 9 * i, axis=1) for i in range(count)])
        made, expected = np.empty_like(drawn), drawn.copy()
        outgoing = DevicePicture(drawn, bench).canvas(made)
        outgoing.paste(pieces, faces, mask)
        outgoing.finish()
        for piece, matrix in zip(pieces, faces, strict=True):
            paste(expected, piece, matrix, mask)
        _compare(session, made, expected)


def _drawn(height: int, width: int) -> Image:
    """A smooth picture, no two corners or channels of which are alike."""
    ys, xs, colour = np.mgrid[:height, :width, :3]
    waves = np.sin(xs / (31 + 7 * colour)) + np.cos(ys / (23 + 5 * colour) + xs / 90)
    return np.asarray(np.rint(127.5 + 60 * waves), np.uint8)


def _faces(side_px: int) -> list[Matrix]:
    """Matrices picture -> crop."""
    faces = []
    for scale, turn, x, y in _PLACES:
        a, b = scale * side_px / 128 * np.cos(turn), scale * side_px / 128 * np.sin(turn)
        linear = np.array([[a, -b], [b, a]])
        faces.append(np.column_stack([linear, side_px / 2 - linear @ [x, y]]))
    return faces


def _compare(session: Session, made: Tensor, expected: Image) -> None:
    """Raises EngineError where two pictures differ."""
    if made.shape != expected.shape or made.dtype != expected.dtype:
        msg = f"{session.model_id} gave shape {made.shape}, not {expected.shape}"
        raise EngineError(msg)
    beyond = float((np.abs(made.astype(np.int16) - expected) > MOST_LEVELS).mean())
    if beyond > MOST_BEYOND:
        msg = (
            f"{session.model_id} gave other pixels than the host "
            f"({beyond:.0%} of the values); "
            'set runtime.resident = "off" and report the runtime\'s version'
        )
        raise EngineError(msg)
