"""`edged camera`: the bridge from a camera, a video or a folder of pictures to the engine.

Holds raw frames, in memory only, one at a time.  What cannot be sent now is not sent
later: a stream is latest-wins.  Both ends may come and go; one line is printed for each
change of state.  Knows no configuration.
"""

from __future__ import annotations

import signal
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Annotated

import cv2
import numpy as np
import typer

from edged.commands.options import CurveKey, ServerKey, curve_of
from edged.commands.sources import Source, is_live, open_source
from edged.errors import FrameError, LinkError
from edged.faces import Image
from edged.transport.client import FrameClient
from edged.verdicts import SENTENCES, Reason

_WINDOW = 2
"""Frames that may be unanswered: one is processed while the next one waits."""
_SILENCE_S = 5.0
_RETRY_S, _RETRY_MAX_S = 0.5, 5.0
_HOPELESS = (Reason.UNKNOWN_CAMERA, Reason.UNKNOWN_SCENE, Reason.BAD_HEADER)
"""Answers that the next frame would get too."""


def camera(  # noqa: PLR0917  # typer gives them by name
    source: Annotated[
        str, typer.Argument(help="Device number or path, video file, stream URL, or folder.")
    ],
    name: Annotated[
        str | None, typer.Option("--camera", "-C", help="Configured camera that this is.")
    ] = None,
    fps: Annotated[
        float | None, typer.Option(help="Frames a second; the source's own if left out.", min=0.01)
    ] = None,
    loop: Annotated[bool, typer.Option("--loop", help="Begin again at the end.")] = False,
    jpeg: Annotated[
        int, typer.Option(help="Send JPEG of this quality instead of raw frames.", min=0, max=100)
    ] = 0,
    endpoint: Annotated[
        str | None, typer.Option(help="ZeroMQ endpoint of the engine; this machine's if left out.")
    ] = None,
    curve_key: CurveKey = None,
    server_key: ServerKey = None,
) -> None:
    """Feed the engine from a camera, a video or a folder of pictures until Ctrl-C."""
    stop = threading.Event()
    before = {
        number: signal.signal(number, lambda *_: stop.set())
        for number in (signal.SIGINT, signal.SIGTERM)
    }
    try:
        with FrameClient(endpoint, curve=curve_of(curve_key, server_key)) as client:
            bridge = Bridge(
                client,
                camera=name,
                fps=fps,
                jpeg_quality=jpeg,
                say=lambda line: typer.echo(line, err=True),
            )
            bridge.run(lambda: open_source(source, loop=loop), stop, live=is_live(source))
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    typer.echo(bridge.summary(), err=True)


@dataclass(repr=False)
class Bridge:
    """Moves frames from a source to a client.

    Attributes:
        client: connection to the engine.
        camera: configured name; None for the engine's default.
        fps: pace; None for the source's own.
        jpeg_quality: 1..100, or 0 for raw frames.
        say: takes one line for each change of state.
        read, sent, skipped: frames so far.
        answers: verdicts so far, by name.
    """

    client: FrameClient
    camera: str | None = None
    fps: float | None = None
    jpeg_quality: int = 0
    say: Callable[[str], None] = lambda _: None
    read: int = 0
    sent: int = 0
    skipped: int = 0
    answers: Counter[str] = field(default_factory=Counter)
    _waiting: int = 0
    _heard_s: float = field(default_factory=time.monotonic)
    _state: str = ""

    def run(self, opener: Callable[[], Source], stop: threading.Event, *, live: bool) -> None:
        """Bridge until the source ends or `stop` is set; a live source is opened again.

        Raises:
            FrameError: the engine says that no frame of ours can ever be right.
            LinkError: a source that cannot come back cannot be opened.
        """
        retry_s = _RETRY_S
        while not stop.is_set():
            try:
                source = opener()
            except LinkError as error:
                if not live:
                    raise
                self._tell(f"source: {error}")
                stop.wait(retry_s)
                retry_s = min(2 * retry_s, _RETRY_MAX_S)
                continue
            try:
                read_before = self.read
                self._pump(source, stop)
            finally:
                source.close()
            if not live:
                self._finish(stop)
                return
            if self.read > read_before:
                retry_s = _RETRY_S
            if not stop.is_set():
                self._tell("source: lost; trying again")
                stop.wait(retry_s)

    def summary(self) -> str:
        """One line for the end."""
        verdicts = ", ".join(f"{count} {name}" for name, count in sorted(self.answers.items()))
        return f"{self.read} frames read, {self.sent} sent, {self.skipped} skipped" + (
            f"; answers: {verdicts}" if verdicts else ""
        )

    def _pump(self, source: Source, stop: threading.Event) -> None:
        fps = self.fps or source.fps
        due_s = time.monotonic()
        while not stop.is_set():
            frame = source.read()
            if frame is None:
                return
            self.read += 1
            self._hear(0.0)
            if self._waiting < _WINDOW and self.client.send_frame(
                self._payload(frame), camera=self.camera
            ):
                self._waiting += 1
                self.sent += 1
            else:
                self.skipped += 1
            self._watch_engine()
            if fps:
                due_s = max(due_s + 1 / fps, time.monotonic() - 1 / fps)
                self._rest(due_s, stop)

    def _payload(self, frame: Image) -> bytes | Image:
        if not self.jpeg_quality:
            return frame
        _, coded = cv2.imencode(".jpg", frame, [cv2.IMWRITE_JPEG_QUALITY, self.jpeg_quality])
        return np.asarray(coded, np.uint8).tobytes()

    def _rest(self, until_s: float, stop: threading.Event) -> None:
        """Wait for the next frame's time, listening to answers meanwhile."""
        while not stop.is_set() and (left_s := until_s - time.monotonic()) > 0:
            self._hear(min(left_s, 0.1))

    def _hear(self, timeout_s: float) -> None:
        for answer in self.client.answers(timeout_s):
            self._waiting = max(0, self._waiting - 1)
            self._heard_s = time.monotonic()
            verdict = answer.verdict
            self.answers[verdict.verdict.value] += 1
            if verdict.reason in _HOPELESS:
                raise FrameError(
                    verdict.reason, f"the engine says: {SENTENCES[verdict.reason]} See --camera."
                )
            if verdict.reason not in (Reason.OK, Reason.SUPERSEDED):
                self._tell(f"engine: {verdict.verdict.value}: {SENTENCES[verdict.reason]}")
            else:
                self._tell("engine: takes frames")

    def _watch_engine(self) -> None:
        """Forget frames that an engine took with it."""
        if not self.client.connected:
            self._waiting = 0
            self._heard_s = time.monotonic()
            self._tell(f"engine: waiting for it at {self.client.endpoint}")
        elif self._waiting and time.monotonic() - self._heard_s > _SILENCE_S:
            self._waiting = 0
            self._heard_s = time.monotonic()
            self._tell("engine: connected, but does not answer")

    def _finish(self, stop: threading.Event) -> None:
        deadline = time.monotonic() + _SILENCE_S
        while self._waiting and not stop.is_set() and time.monotonic() < deadline:
            self._hear(0.1)

    def _tell(self, state: str) -> None:
        if state != self._state:
            self._state = state
            self.say(state)
