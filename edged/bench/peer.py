"""The peer: the unmodified `insightface` package doing the same swap on the same files.

`FaceAnalysis.get` finds and embeds, `INSwapper.get` swaps and pastes, one face after the
other, as its documentation has it.  Time inside onnxruntime is told apart by wrapping
`InferenceSession.run` while a frame is processed; nothing of the package is changed.
"""

from __future__ import annotations

import contextlib
import io
import time
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any

from edged.bench.recorded import one_thread_options
from edged.bench.standins.pack import StandIns
from edged.faces import Image
from edged.runtime.session import Meter

PROVIDERS = ["CPUExecutionProvider"]


def available() -> bool:
    """Whether the package is installed."""
    return find_spec("insightface") is not None


@dataclass(frozen=True)
class PeerTimes:
    """One frame.

    Attributes:
        host_ns: outside the sessions; session_ns: inside them.
        faces: how many it found.
    """

    host_ns: int
    session_ns: int
    faces: int


class Peer:
    """insightface on one pack.

    Args:
        standins: the model files.
        source: picture of the character, one face.
    """

    def __init__(self, standins: StandIns, source: Image) -> None:
        from insightface.app import FaceAnalysis  # noqa: PLC0415 - optional package
        from insightface.model_zoo import get_model  # noqa: PLC0415 - optional package

        settings: dict[str, Any] = {
            "providers": PROVIDERS,
            "sess_options": one_thread_options(),
        }
        with contextlib.redirect_stdout(io.StringIO()):  # it prints on loading
            self.app = FaceAnalysis(
                name=str(standins.pack), allowed_modules=["detection", "recognition"], **settings
            )
            self.swapper = get_model(str(standins.swapper), **settings)
        self.app.prepare(ctx_id=-1, det_size=(640, 640))
        with quiet():
            self.source = self.app.get(source)[0]

    def swap_frame(self, frame: Image) -> PeerTimes:
        """Every face of a frame swapped and pasted."""
        with quiet(), metered() as meter:
            start = time.perf_counter_ns()
            faces = self.app.get(frame)
            picture = frame
            for face in faces:
                picture = self.swapper.get(picture, face, self.source, paste_back=True)
            total = time.perf_counter_ns() - start
        return PeerTimes(total - meter.total_ns, meter.total_ns, len(faces))

    def paste_ns(self, frame: Image) -> int:
        """What its paste-back takes, all faces of a frame together.

        The package does not tell it apart: one swap with and one without, less the
        sessions' time of each.
        """
        with quiet():
            faces = self.app.get(frame)
            total = 0
            for face in faces:
                for paste, sign in ((True, 1), (False, -1)):
                    with metered() as meter:
                        start = time.perf_counter_ns()
                        self.swapper.get(frame, face, self.source, paste_back=paste)
                        total += sign * (time.perf_counter_ns() - start - meter.total_ns)
        return total


@contextlib.contextmanager
def metered() -> Iterator[Meter]:
    """Count the time inside every `InferenceSession.run` of this process meanwhile."""
    from onnxruntime import InferenceSession  # noqa: PLC0415 - see recorded.py

    meter = Meter()
    plain = InferenceSession.run

    def timed(self: Any, *args: Any, **kwargs: Any) -> Any:
        start = time.perf_counter_ns()
        try:
            return plain(self, *args, **kwargs)
        finally:
            meter.add(time.perf_counter_ns() - start)

    InferenceSession.run = timed
    try:
        yield meter
    finally:
        InferenceSession.run = plain


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Without scikit-image's FutureWarning at every estimate that insightface makes."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield
