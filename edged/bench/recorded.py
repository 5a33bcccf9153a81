"""What the networks answer on one frame, recorded once for the floor to replay.

Knows onnxruntime and the contracts; the arithmetic before the networks is the plainest.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np

from edged.bench.standins.pack import StandIns
from edged.faces import Floats, Image


@dataclass(frozen=True, repr=False)
class Recorded:
    """Network outputs on one frame.

    Attributes:
        detector: SCRFD's nine arrays at 640 px.
        swapped: one [1, 3, 128, 128] a face; any will do, since the work after it does
            not depend on its values.
    """

    detector: list[Floats]
    swapped: list[Floats]


def record(frame: Image, standins: StandIns, faces: int) -> Recorded:
    """Run the detector once, and the swapper once for each expected face."""
    side = 640
    scale = side / max(frame.shape[:2])
    live = (int(frame.shape[1] * scale), int(frame.shape[0] * scale))
    canvas = np.zeros((side, side, 3), np.uint8)
    canvas[: live[1], : live[0]] = cv2.resize(frame, live)
    blob = cv2.dnn.blobFromImage(canvas, 1 / 128, (side, side), (127.5,) * 3, swapRB=True)
    detector = one_thread_session(standins.detector)
    swapper = one_thread_session(standins.swapper)
    rng = np.random.default_rng(11)
    swapped = []
    for _ in range(faces):
        target = rng.random((1, 3, 128, 128), np.float32)
        source = rng.standard_normal((1, 512)).astype(np.float32)
        source /= np.linalg.norm(source)
        swapped.append(swapper.run(None, {"target": target, "source": source})[0])
    return Recorded(detector.run(None, {"input.1": blob}), swapped)


def one_thread_options() -> Any:
    """Session options under which nothing of onnxruntime runs beside its caller."""
    import onnxruntime as ort  # noqa: PLC0415 - the command names the extra that is missing

    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    return options


def one_thread_session(path: Any) -> Any:
    """A CPU session on one thread."""
    import onnxruntime as ort  # noqa: PLC0415 - see above

    return ort.InferenceSession(str(path), one_thread_options(), providers=["CPUExecutionProvider"])
