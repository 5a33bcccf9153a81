"""The control load: the same fixed work, timed beside every shot, in a process of its own.

What makes the machine slow (other programs, heat) makes both slow, so a latency divided by
the control's is the device's own.  The work is of the device's kind: SCRFD's small network
on one 640 px picture, one thread.  Started as `python control.py MODEL`, it answers each
line of its input with milliseconds.
"""

from __future__ import annotations

import subprocess
import sys
import time
from statistics import median

RUNS = 5


class Control:
    """The process, from the side of who wants a time; a context manager."""

    def __init__(self, model) -> None:
        self._argv = [sys.executable, __file__, str(model)]

    def __enter__(self):
        self._process = subprocess.Popen(
            self._argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1
        )
        self.time_ms()  # warm
        return self

    def __exit__(self, *_exc):
        self._process.stdin.close()
        self._process.wait(30)

    def time_ms(self) -> float:
        """Milliseconds of the work just now."""
        self._process.stdin.write("\n")
        return float(self._process.stdout.readline())


def main(model: str) -> None:
    """Serve until the input ends."""
    import cv2
    import numpy as np
    import onnxruntime as ort
    import skimage.data

    options = ort.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    session = ort.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    image = cv2.resize(skimage.data.astronaut(), (640, 640)).astype(np.float32)
    blob = ((image - 127.5) / 128).transpose(2, 0, 1)[None]
    feed = {session.get_inputs()[0].name: np.ascontiguousarray(blob)}
    for _ in sys.stdin:
        spent = []
        for _run in range(RUNS):
            began = time.perf_counter()
            session.run(None, feed)
            spent.append(1000 * (time.perf_counter() - began))
        sys.stdout.write(f"{median(spent):.4f}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main(sys.argv[1])
