"""What the demo's camera does: shots one by one, then a short stream; and what came of it.

A shot counts as done when its answer says `queued`, the same picture has reached the
broker's subscriber under the same id, and the judge finds none of its faces in it.
"""

from __future__ import annotations

import json
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

import cv2
import numpy as np
import zmq

from edged.demo.device import BAND, BOOTH, CHARACTER, DOOR, POSTER, STRANGER, Device
from edged.demo.judge import Escape, Judge, Square, square_of
from edged.demo.photos import Photo
from edged.demo.watch import Watcher
from edged.errors import LinkError
from edged.faces import Image
from edged.transport.client import FrameClient
from edged.transport.wire import ResultDoc, VerdictDoc
from edged.verdicts import Verdict

ARRIVAL_S = 20.0
"""How long a result may take from the answer to the subscriber."""

ANSWERS_S = 30.0
"""How long the last stream frames may take: a sample for the broker gets a whole look."""

STREAM_S, STREAM_FPS = 3.0, 10.0

TITLES = {
    CHARACTER: "disguise, drawn",
    STRANGER: "disguise, from photo",
    POSTER: "portrait for one",
    BAND: "portrait for two",
}
"""Scenes in people's words."""

PORTRAITS = (POSTER, BAND)


@dataclass(frozen=True, repr=False)
class Shot:
    """One thing to send.

    Attributes:
        photo: what the camera sees.
        scene: configured name.
        consent: references that the visitors gave.
    """

    photo: Photo
    scene: str
    consent: tuple[str, ...] = ()


@dataclass(repr=False)
class Done:
    """What came of a shot.

    Attributes:
        shot: what was sent.
        verdict: what the sender was told.
        picture: (h, w, 3) uint8 BGR as the broker had it; None without.
        result: the document of it.
        wall_ms: from sending to the answer.
        escapes: faces that the judge still found.
        problem: why this shot is not as it must be; empty when it is.
    """

    shot: Shot
    verdict: VerdictDoc
    picture: Image | None = None
    result: ResultDoc | None = None
    wall_ms: float = 0.0
    escapes: list[Escape] = field(default_factory=list)
    problem: str = ""


@dataclass
class Stream:
    """What came of the stream.

    Attributes:
        sent: frames that left the camera.
        verdicts: answers by verdict.
        seen: pictures on view.sock.
        problem: as in :class:`Done`.
    """

    sent: int = 0
    verdicts: Counter[str] = field(default_factory=Counter)
    seen: int = 0
    problem: str = ""

    @property
    def passed(self) -> int:
        """Frames that the guard let out."""
        return self.verdicts[Verdict.SHOWN.value] + self.verdicts[Verdict.QUEUED.value]


def programme(group: Photo, one: Photo, *, own: bool) -> list[Shot]:
    """The shots of a demo.

    Args:
        group: several people.
        one: one person, who is also the second disguise's identity.
        own: both are the visitor's photo, whose number of people is unknown.
    """
    refs = tuple(f"demo-consent-{number}" for number in range(1, 9))
    if own:
        return [Shot(group, CHARACTER), Shot(group, STRANGER),
                Shot(group, POSTER, refs[:1]), Shot(group, BAND, refs)]  # fmt: skip
    return [Shot(group, CHARACTER), Shot(group, STRANGER), Shot(one, CHARACTER),
            Shot(one, POSTER, refs[:1]), Shot(group, BAND, refs)]  # fmt: skip


def send(
    shot: Shot, client: FrameClient, watcher: Watcher, judge: Judge, known: list[Square]
) -> Done:
    """Send one shot and follow it to the broker.

    Args:
        shot: what to send.
        client: to the engine.
        watcher: at the broker.
        judge: of the published picture.
        known: faces that the judge found in the photo.
    """
    begin = time.perf_counter()
    answer = client.send_shot(
        shot.photo.jpeg(), camera=BOOTH, scene=shot.scene, consent=shot.consent, want="image"
    )
    done = Done(shot, answer.verdict, wall_ms=(time.perf_counter() - begin) * 1000)
    verdict = answer.verdict
    if verdict.verdict is not Verdict.QUEUED:
        done.problem = f"{verdict.verdict.value}, {verdict.reason.value}: {verdict.text}"
        return done
    try:
        watcher.wait_for(
            f"the result of {verdict.id}", lambda: verdict.id in watcher.results, ARRIVAL_S
        )
    except LinkError as error:
        done.problem = str(error)
        return done
    done.result = watcher.results[verdict.id]
    published = watcher.picture(done.result)
    if published is None:
        done.problem = "the broker has no picture with the SHA-256 of the result"
    elif published != answer.picture:
        done.problem = "the picture at the broker is not the one that the sender got"
    else:
        done.picture = decode(published)
        done.escapes = judge_shot(done, done.picture, judge, known)
        if done.escapes:
            done.problem = f"a face got out: {done.escapes[0].how}"
    return done


def judge_shot(done: Done, picture: Image, judge: Judge, known: list[Square]) -> list[Escape]:
    """Faces of the photo that the published picture still shows."""
    before = done.shot.photo.image
    if done.shot.scene in PORTRAITS:
        return judge.copies(before, picture, known)
    assert done.result is not None
    reported = [square_of(face.box_px) for face in done.result.faces]
    return judge.escapes(before, picture, [*known, *reported])


def stream(
    photo: Photo, device: Device, judge: Judge, known: list[Square], tick: Callable[[], None]
) -> Stream:
    """Show a photo to the streaming camera for a while, watching view.sock beside it."""
    report = Stream()
    shown: list[Image] = []
    over = threading.Event()
    viewer = threading.Thread(target=_view, args=(device.view, shown, over), name="demo-viewer")
    viewer.start()
    try:
        with FrameClient(device.frames) as client:
            end = time.monotonic() + STREAM_S
            number = 0
            while time.monotonic() < end:
                due = time.monotonic() + 1.0 / STREAM_FPS
                report.sent += client.send_frame(_frame(photo.image, number), camera=DOOR)
                number += 1
                tick()
                while time.monotonic() < due:
                    for answer in client.answers(max(0.0, due - time.monotonic())):
                        report.verdicts[answer.verdict.verdict.value] += 1
            end = time.monotonic() + ANSWERS_S
            while report.verdicts.total() < report.sent and time.monotonic() < end:
                for answer in client.answers(0.5):
                    report.verdicts[answer.verdict.verdict.value] += 1
    finally:
        over.set()
        viewer.join()
    report.seen = len(shown)
    if report.passed and not shown:
        report.problem = "no picture came out of view.sock"
    elif report.verdicts.total() < report.sent:
        report.problem = "some stream frames were never answered"
    elif shown and judge.escapes(photo.image, shown[-1], known):
        report.problem = "a face got out on view.sock"
    return report


def decode(jpeg: bytes) -> Image:
    """A JPEG's pixels, (h, w, 3) uint8 BGR."""
    return np.asarray(cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR), np.uint8)


def _frame(image: Image, number: int) -> Image:
    """The photo with a bar that moves along its lower edge, so that no two are alike."""
    frame = image.copy()
    x = (number * 16) % frame.shape[1]
    frame[-8:, x : x + 16] = 255
    return frame


def _view(endpoint: str, shown: list[Image], over: threading.Event) -> None:
    """Collect what view.sock shows; the message form is imagezmq's."""
    context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
    socket = context.socket(zmq.SUB)
    socket.setsockopt(zmq.LINGER, 0)
    socket.subscribe(b"")
    socket.connect(endpoint)
    try:
        while not over.is_set():
            if socket.poll(100):
                header, pixels = socket.recv_multipart()
                shape = tuple(json.loads(header)["shape"])
                shown.append(np.frombuffer(pixels, np.uint8).reshape(shape))
    finally:
        socket.close()
        context.term()
