"""The control load: the same fixed work over and over, timed in a process of its own.

What makes the machine slow (other programs, other machines on the same cores, heat) makes both
slow, so a latency divided by the control's is the device's own.  The work is of a full look's
kind and length: a 1080p picture is copied and scaled, detectors of two families look at it,
crops of it go through a recogniser, one thread.  It is onnxruntime and OpenCV alone and keeps
nothing from one time to the next, so what wears out in the device cannot wear out here, too.
Started as `python control.py FOLDER`, it answers each line of its input with milliseconds.
"""

from __future__ import annotations

import subprocess
import sys
import time

SIZES_PX = 640, 256
CROPS, CROP_PX = 4, 112
DETECTOR, SECOND, RECOGNISER = "det_500m.onnx", "yunet_n_640_640.onnx", "mobilefacenet_128d.onnx"


class Control:
    """The process, from the side of who wants a time; a context manager.

    Args:
        folder: of the small real networks.
    """

    def __init__(self, folder) -> None:
        self._argv = [sys.executable, __file__, str(folder)]

    def __enter__(self):
        self._process = subprocess.Popen(
            self._argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1
        )
        for _ in range(3):
            self.time_ms()  # warm
        return self

    def __exit__(self, *_exc):
        self._process.stdin.close()
        self._process.wait(30)

    def time_ms(self) -> float:
        """Milliseconds of the work just now."""
        self._process.stdin.write("\n")
        return float(self._process.stdout.readline())


class Look:
    """The work; called, it does it once.

    Args:
        folder: of the small real networks.
        threads: of each network.
        spin: whether they spin after a run, as onnxruntime's do unless it is told otherwise.
    """

    def __init__(self, folder: str, *, threads: int = 1, spin: bool = False) -> None:
        import cv2
        import onnxruntime as ort
        import skimage.data

        cv2.setNumThreads(threads)
        options = ort.SessionOptions()
        options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
        options.add_session_config_entry("session.intra_op.allow_spinning", str(int(spin)))
        options.log_severity_level = 3  # the detector warns of every size but 640
        self._detector, self._second, self._recogniser = (
            ort.InferenceSession(f"{folder}/{name}", options, providers=["CPUExecutionProvider"])
            for name in (DETECTOR, SECOND, RECOGNISER)
        )
        self._frame = cv2.resize(skimage.data.astronaut(), (1920, 1080))

    def __call__(self) -> None:
        frame = self._frame.copy()
        for size_px in SIZES_PX:
            _run(self._detector, frame, size_px)
        _run(self._second, frame, SIZES_PX[0])
        for number in range(CROPS):
            _run(self._recogniser, frame[:, 300 * number :], CROP_PX)


def _run(session, image, size_px: int) -> None:
    import cv2
    import numpy as np

    small = cv2.resize(image, (size_px, size_px)).astype(np.float32)
    blob = np.ascontiguousarray(((small - 127.5) / 128).transpose(2, 0, 1)[None])
    session.run(None, {session.get_inputs()[0].name: blob})


def main(folder: str) -> None:
    """Serve until the input ends."""
    look = Look(folder)
    for _ in sys.stdin:
        began = time.perf_counter()
        look()
        sys.stdout.write(f"{1000 * (time.perf_counter() - began):.4f}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main(sys.argv[1])
