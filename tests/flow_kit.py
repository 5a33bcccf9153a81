"""A flow with a scripted pipeline; mailbox and outbox are real."""

from __future__ import annotations

import contextlib
import threading
import time
from types import SimpleNamespace

import cv2
import numpy as np

from edged.daemon import flow as flow_module
from edged.daemon.flow import Flow
from edged.daemon.flow_parts import FlowParts
from edged.daemon.pulse import Pulse
from edged.health import Health
from edged.pipeline.parts import Outcome
from edged.privacy.buffers import OutgoingPool
from edged.privacy.guard import Passed
from edged.scene import Scene
from edged.transport.header import FrameHeader
from edged.transport.limits import FrameLimits
from edged.transport.mailbox import Mailbox, Submission, Ticket
from edged.transport.outbox import Outbox
from edged.transport.wire import ConsentEntry, FaceNote, GuardNote

SHOT = "0b8b5d8e-5a0c-4f0e-9a57-6a2f7f6b1c11"
NOTE = GuardNote(
    families=("scrfd",), looks=2, faces_in=1, swapped=1, filled=0, refilled=0, verified_by="r"
)


def png(seed=0):
    image = np.random.default_rng(seed).integers(0, 256, (48, 64, 3), np.uint8)
    return cv2.imencode(".png", image)[1].tobytes()


class Answers:
    """Collects what senders are told."""

    def __init__(self):
        self.given, self.came = [], threading.Condition()

    def answer(self, ticket, doc, picture=None):
        with self.came:
            self.given.append((ticket, doc, picture))
            self.came.notify_all()
        return True

    def of(self, ticket, timeout_s=10):
        """The answer to a ticket, (document, picture)."""

        def found():
            return [(d, p) for t, d, p in self.given if t is ticket]

        with self.came:
            assert self.came.wait_for(found, timeout_s), "no answer"
            assert len(found()) == 1, "answered twice"
            return found()[0]


class Pipeline:
    """Passes the frame as it is; `ruling` and `error` make it do otherwise."""

    def __init__(self):
        self.jobs, self.pool, self.buffers = [], OutgoingPool(), []
        self.gate, self.entered = threading.Event(), threading.Event()
        self.gate.set()
        self.ruling = self.error = None
        self.note, self.live = NOTE, None

    def process(self, frame, job):
        self.jobs.append(job)
        self.entered.set()
        assert self.gate.wait(20)
        if self.error is not None:
            raise self.error
        if self.ruling is not None:
            return Outcome(self.ruling)
        buffer = self.pool.lease(*frame.shape[:2])
        np.copyto(buffer.image, frame)
        self.buffers.append(buffer)
        return Outcome(
            Passed(buffer.image),
            buffer,
            faces=(
                FaceNote(box_px=(1, 2, 3, 4), action="swapped", identity="actor", live=self.live),
            ),
            guard=self.note,
            stages_ms={"swap": 1.0},
            session_ms={"swap": 0.5},
        )


class View:
    """A viewer that wants pictures or not."""

    def __init__(self):
        self.looks, self.shown = False, []
        self.tracker = SimpleNamespace(done=False)

    def wanted(self):
        return self.looks

    def publish(self, camera, image):
        self.shown.append((camera, image.pixels.copy()))
        return self.tracker


class Rig:
    """The flow and everything around it."""

    def __init__(self, folder, *, barred=False, deadline_ms=20_000, limits=None, **scene):
        self.mailbox = Mailbox(shots_waiting=16, shots_waiting_bytes=1 << 24)
        self.answers, self.pipeline, self.view = Answers(), Pipeline(), View()
        self.rows, self.events = [], []
        self.outbox = Outbox.open(
            folder, limits=limits, on_event=lambda *event: self.events.append(event)
        )
        self.health = Health(time.monotonic(), 0)
        self.parts = FlowParts(
            mailbox=self.mailbox,
            answers=self.answers,
            pipeline=self.pipeline,
            outbox=self.outbox,
            view=self.view,
            health=self.health,
            scenes={"hide": Scene(mode="disguise", **scene)},
            limits=FrameLimits(),
            deadline_ms=deadline_ms,
            engines=lambda: {"swapper": "fake"},
            builtin=True,
            barred=barred,
            on_row=lambda: self.rows.append(1),
            on_event=lambda *event: self.events.append(event),
            pulse=Pulse(lambda: None),
        )
        self.flow = Flow(self.parts)

    def submission(
        self, shot=None, payload=None, *, want=False, age_s=0.0, encoding="png", consents=()
    ):
        header = FrameHeader(
            shot=shot, camera="booth", scene="hide", ts_ms=1, encoding=encoding,
            consent=tuple(ConsentEntry(ref) for ref in consents),
        )  # fmt: skip
        return Submission(
            Ticket((0, b"client"), wants_picture=want),
            header,
            png() if payload is None else payload,
            time.monotonic_ns() - int(age_s * 1e9),
        )

    def shoot(self, shot=SHOT, payload=None, **options):
        """Submit a shot; its ticket."""
        submission = self.submission(shot, payload, **options)
        assert self.mailbox.offer_shot(submission)
        return submission.ticket

    def stream(self, **options):
        submission = self.submission(None, **options)
        self.mailbox.offer_stream(submission)
        return submission.ticket

    def counts(self):
        return self.health.document(now_s=time.monotonic(), ts_ms=0, clock_synced=True).verdicts


@contextlib.contextmanager
def running(folder, **options):
    """A started flow, stopped at the end; its idle threads look often whether to stop."""
    rig = Rig(folder, **options)
    usual_s, flow_module.POLL_S = flow_module.POLL_S, 0.02
    rig.flow.start()
    try:
        yield rig
    finally:
        rig.pipeline.gate.set()
        rig.flow.stop()
        rig.outbox.close()
        flow_module.POLL_S = usual_s


def until(condition, timeout_s=10):
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, "did not happen in time"
        time.sleep(0.002)
