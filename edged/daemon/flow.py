"""Frames through the engine: three threads, handing on with one-place queues.

    intake   takes from the mailbox, answers repeated shots, decodes
    work     runs the pipeline; the only thread that touches sessions
    finish   encodes, writes the outbox, answers, shows

One frame can thus be decoded, one inferred and one encoded at a time.  A shot is
answered when it is durable; the same shot sent again while it is under way waits for
that answer.  Exceptions end here: the sender gets a code, the log gets a type.  A frame whose
stage does not come back is answered all the same, by :meth:`Flow.give_up_late`.
"""

from __future__ import annotations

import logging
import queue
import threading
import time
import uuid
from collections.abc import Callable, Mapping

from edged.daemon.flow_parts import FlowParts, Item, Repeats, age_ms, numbers, result_of
from edged.daemon.flow_watch import FlowWatch
from edged.daemon.owner import Owner, Task
from edged.errors import FrameError
from edged.pipeline.parts import Job, Outcome
from edged.privacy.egress import reopen, seal, show
from edged.privacy.guard import Passed, Refused
from edged.scene import Scene
from edged.transport import images
from edged.transport.mailbox import Submission
from edged.transport.wire import OutgoingPicture, VerdictDoc, answer
from edged.verdicts import Reason, Verdict

log = logging.getLogger(__name__)

WORK = "edged-work"
_EVERYDAY = frozenset(
    {Reason.NO_FACE, Reason.NO_CONSENT, Reason.SURPLUS_FACES, Reason.CONSENT_UNMATCHED}
)
"""Refusals that visitors cause and that are no event for the operator."""
POLL_S = 0.25
"""How often an idle thread looks whether it is to stop."""


class Flow:
    """The three threads."""

    def __init__(self, parts: FlowParts) -> None:
        self._parts = parts
        self._repeats = Repeats()
        self.watch = FlowWatch()
        self._to_work: queue.Queue[Item] = queue.Queue(maxsize=1)
        self._to_finish: queue.Queue[Item] = queue.Queue(maxsize=1)
        self._room = threading.Semaphore(1)
        """Free when no decoded frame waits: a newer frame can still take the place of one in
        the mailbox, but not of one that has left it."""
        self._stopping = threading.Event()
        self._threads: list[threading.Thread | Task] = []
        self._own: Owner | None = None
        self._published_s: dict[str, float] = {}

    def start(self) -> None:
        """Start the threads."""
        owner = self._parts.owner or Owner(WORK)
        if self._parts.owner is None:
            self._own = owner
        own = {"edged-intake": self._intake_loop, "edged-finish": self._finish_loop}
        for name, body in own.items():
            thread = threading.Thread(target=body, name=name, daemon=True)
            thread.start()
            self._threads.append(thread)
        self._threads.append(owner.begin(WORK, self._work_loop))

    def stop(self, timeout_s: float = 10.0) -> None:
        """Answer what waits with `stopping`, finish what is under way, end the threads."""
        for submission in self._parts.mailbox.close():
            self._reply(submission, answer(Verdict.FAILED, Reason.STOPPING))
        self._stopping.set()
        until = time.monotonic() + timeout_s
        for thread in self._threads:
            thread.join(max(0.0, until - time.monotonic()))
        for item in self.watch.give_up(-1.0):  # of a thread that did not end
            self._fail(item.submission, Reason.STOPPING)
        if self._own is not None:
            self._own.close(max(0.0, until - time.monotonic()))

    def alive(self) -> bool:
        """Whether all three threads run."""
        return bool(self._threads) and all(t.is_alive() for t in self._threads)

    def give_up_late(self) -> int:
        """Answer frames past their deadline whose stage has not come back; how many.

        What the stage makes of them later is thrown away.
        """
        late = self.watch.give_up(self._parts.deadline_ms)
        for item in late:
            self._fail(item.submission, Reason.DEADLINE)
        return len(late)

    # -- intake -----------------------------------------------------------------------

    def _intake_loop(self) -> None:
        while not self._stopping.is_set():
            if not self._room.acquire(timeout=POLL_S):
                continue
            item = self._next_item()
            if item is None:
                self._room.release()
            else:
                self._hand_on(self._to_work, item)

    def _next_item(self) -> Item | None:
        """The next frame that needs work; others are answered here."""
        submission = self._parts.mailbox.take(POLL_S)
        if submission is None:
            return None
        try:
            return self._take_in(submission)
        except FrameError as error:
            self._fail(submission, Reason(error.reason))
        except Exception as error:  # noqa: BLE001 - a bad frame never ends the thread
            log.error("intake: %s", type(error).__name__)  # noqa: TRY400 - nor is its text logged
            self._fail(submission, Reason.PIPELINE_ERROR)
        return None

    def _take_in(self, submission: Submission) -> Item | None:
        """Decode a frame, unless its answer is known or it waits for a twin.

        Raises:
            FrameError: it cannot be used.
        """
        parts, header = self._parts, submission.header
        item = Item(submission, publish=header.shot is not None)
        if header.shot is not None:
            item.mac = parts.outbox.digest(submission.payload)
            known = parts.outbox.lookup(header.shot, item.mac)
            if known is not None:
                self._reply_known(submission, known.verdict, known.picture)
                return None
            if not self._repeats.join(header.shot, item.mac, submission.ticket):
                return None
        else:
            item.publish = self._sample_due(header.camera, parts.scenes[header.scene])
        if self._late(submission):
            raise FrameError(Reason.DEADLINE, "waited too long before decoding")
        self.watch.took(item)
        try:
            with self.watch.hand_on("decode"):
                item.image = images.decode(header, submission.payload, parts.limits)
        except BaseException:
            if not self.watch.finishing(item):
                return None  # answered, while it was being decoded
            raise
        return item

    def _sample_due(self, camera: str, scene: Scene) -> bool:
        """Whether this stream frame is the one that `publish_every_s` lets out."""
        if scene.publish_every_s <= 0:
            return False
        now = time.monotonic()
        if now - self._published_s.get(camera, -1e9) < scene.publish_every_s:
            return False
        self._published_s[camera] = now
        return True

    # -- work -------------------------------------------------------------------------

    def _work_loop(self) -> None:
        while (item := self._next(self._to_work, "edged-intake", self._between)) is not None:
            self._room.release()
            with self.watch.hand_on("pipeline"):
                self._work(item)
            self._hand_on(self._to_finish, item)

    def _between(self) -> None:
        """What is done with sessions while no frame is in them."""
        try:
            self._parts.between_frames()
            with self.watch.hand_on("self-test"):
                self._parts.pulse.between()
        except Exception as error:  # noqa: BLE001 - the boundary, as above
            log.error("between frames: %s", type(error).__name__)  # noqa: TRY400

    def _work(self, item: Item) -> None:
        """Run the pipeline; without an outcome the finish says `pipeline-error`."""
        header = item.submission.header
        image, item.image = item.image, None
        try:
            job = Job(
                camera=header.camera,
                scene_name=header.scene,
                scene=self._parts.scenes[header.scene],
                whole=item.publish,
                consents=header.consent,
                now_ms=time.monotonic_ns() // 1_000_000,
                stream=header.shot is None,
            )
            if image is not None:
                item.outcome = self._parts.pipeline.process(image, job)
        except Exception as error:  # noqa: BLE001 - the boundary, as above
            log.error("work: %s", type(error).__name__)  # noqa: TRY400

    # -- finish -----------------------------------------------------------------------

    def _finish_loop(self) -> None:
        while (item := self._next(self._to_finish, WORK)) is not None:
            with self.watch.hand_on("finish"):
                self._finish(item)
            self._parts.pulse.finished(item.outcome and item.outcome.ruling)

    def _finish(self, item: Item) -> None:
        """Answer a frame, whatever happens."""
        try:
            if self.watch.finishing(item):
                self._settle(item)
        except FrameError as error:
            self._fail(item.submission, Reason(error.reason))
        except Exception as error:  # noqa: BLE001 - the boundary, as above
            log.error("finish: %s", type(error).__name__)  # noqa: TRY400
            self._fail(item.submission, Reason.PIPELINE_ERROR)
        finally:
            if item.outcome is not None and item.outcome.buffer is not None:
                item.outcome.buffer.release()

    def _settle(self, item: Item) -> None:
        parts, submission, outcome = self._parts, item.submission, item.outcome
        if outcome is None:
            raise FrameError(Reason.PIPELINE_ERROR, "no outcome")
        if isinstance(outcome.ruling, Refused):
            self._refuse(item, outcome.ruling.reason)
            return
        if outcome.guard is not None:
            note = outcome.guard
            parts.health.guarded(
                note.looks, note.swapped, note.filled, note.refilled,
                faces=note.faces_in, embedded=note.embedded,
            )  # fmt: skip
        parts.health.restored(outcome.touches)
        if self._late(submission):
            raise FrameError(Reason.DEADLINE, "took too long")
        picture = None
        if item.publish and not parts.barred:
            doc, picture = self._publish(item, outcome, outcome.ruling)
        elif item.publish and submission.header.shot is not None:
            self._refuse(item, Reason.PUBLISH_BARRED)
            return
        else:
            doc = answer(Verdict.SHOWN, Reason.OK)
        if submission.header.shot is None:
            self._show(submission.header.camera, outcome, outcome.ruling)
        doc.numbers = numbers(outcome)
        if "not_live" in doc.numbers:
            parts.on_event("not-live", Reason.NOT_LIVE.value, {"faces": doc.numbers["not_live"]})
        self._done(item, doc, picture)

    def _publish(
        self, item: Item, outcome: Outcome, passed: Passed
    ) -> tuple[VerdictDoc, OutgoingPicture | None]:
        """Encode, write to the outbox, wake the uplink."""
        parts, header = self._parts, item.submission.header
        scene = parts.scenes[header.scene]
        result_id = header.shot or str(uuid.uuid4())
        start = time.perf_counter_ns()
        picture = seal(
            passed,
            result_id=result_id,
            quality=scene.jpeg_quality,
            swapped=any(face.action != "filled" for face in outcome.faces),
            marker=parts.marker,
        )
        outcome.stages_ms["encode"] = (time.perf_counter_ns() - start) / 1e6
        result = result_of(parts, item, outcome, picture, result_id)
        doc = parts.outbox.put(
            result,
            picture,
            shot_id=header.shot,
            payload=item.mac,
            received_ns=item.submission.received_ns,
        )
        if doc.verdict is not Verdict.QUEUED or not result.seq:
            return doc, None  # purged meanwhile, or answered before by another picture
        parts.on_row()
        return doc, picture

    def _show(self, camera: str, outcome: Outcome, passed: Passed) -> None:
        if outcome.buffer is not None and self._parts.view.wanted():
            outcome.buffer.hold(self._parts.view.publish(camera, show(passed)))

    def _refuse(self, item: Item, reason: Reason) -> None:
        header = item.submission.header
        verdict = Verdict.FAILED if reason is Reason.PIPELINE_ERROR else Verdict.REFUSED
        doc = answer(verdict, reason, id=header.shot or "", builtin=self._parts.builtin)
        if item.outcome is not None:
            doc.numbers = numbers(item.outcome)
        lasting = verdict is Verdict.REFUSED and reason is not Reason.GUARD_ERROR
        if lasting and header.shot is not None and item.mac is not None:
            doc = self._parts.outbox.remember(header.shot, item.mac, doc)
        if verdict is Verdict.REFUSED and reason not in _EVERYDAY:
            self._parts.on_event("guard-refused", reason.value, {})
        self._done(item, doc, None)

    def _done(self, item: Item, doc: VerdictDoc, picture: OutgoingPicture | None) -> None:
        outcome = item.outcome
        doc.builtin = self._parts.builtin
        self._reply(
            item.submission,
            doc,
            picture,
            stages_ms=outcome.stages_ms if outcome else None,
            session_ms=outcome.session_ms if outcome else None,
        )

    # -- answers ----------------------------------------------------------------------

    def _fail(self, submission: Submission, reason: Reason) -> None:
        refused = reason is Reason.GUARD_ERROR
        doc = answer(Verdict.REFUSED if refused else Verdict.FAILED, reason)
        doc.id = submission.header.shot or ""
        self._reply(submission, doc)

    def _reply(
        self,
        submission: Submission,
        doc: VerdictDoc,
        picture: OutgoingPicture | None = None,
        *,
        stages_ms: Mapping[str, float] | None = None,
        session_ms: Mapping[str, float] | None = None,
    ) -> None:
        """Answer a frame and everybody who waits for the same shot."""
        header = submission.header
        doc.latency_ms = round(age_ms(submission), 2)
        waiting = [submission.ticket]
        if header.shot is not None:
            waiting += self._repeats.end(header.shot, submission.ticket)
        for ticket in waiting:
            self._parts.answers.answer(ticket, doc, picture if ticket.wants_picture else None)
        self._parts.health.frame_done(
            header.camera,
            doc.verdict,
            doc.reason,
            now_s=time.monotonic(),
            latency_ms=doc.latency_ms,
            stages_ms=stages_ms,
            session_ms=session_ms,
        )

    def _reply_known(self, submission: Submission, doc: VerdictDoc, jpeg: bytes | None) -> None:
        """Answer a shot that was answered before; its picture while it is kept."""
        picture = None
        if jpeg is not None and submission.ticket.wants_picture:
            picture = reopen(jpeg)
        self._parts.answers.answer(submission.ticket, doc, picture)

    # -- queues -----------------------------------------------------------------------

    def _hand_on(self, place: queue.Queue[Item], item: Item) -> None:
        """Put, waiting for room; a stop turns the frame into `stopping`."""
        while True:
            try:
                place.put(item, timeout=POLL_S)
            except queue.Full:  # noqa: PERF203 - a wait, not work
                if self._stopping.is_set():
                    if self.watch.finishing(item):
                        self._fail(item.submission, Reason.STOPPING)
                    return
            else:
                return

    def _next(
        self, place: queue.Queue[Item], feeder: str, meanwhile: Callable[[], None] = lambda: None
    ) -> Item | None:
        """Get; None when the flow stops, nothing is left and nothing can come any more.

        Args:
            place: where the items come from.
            feeder: name of the thread that puts them there; what it still has under way
                must be answered, so this one outlives it.
            meanwhile: done before every look.
        """
        while True:
            meanwhile()
            # Asked before the look, so that what it put last is still found.
            ended = self._stopping.is_set() and not self._runs(feeder)
            try:
                return place.get(timeout=POLL_S)
            except queue.Empty:
                if ended:
                    return None

    def _runs(self, name: str) -> bool:
        return any(t.name == name and t.is_alive() for t in self._threads)

    def _late(self, submission: Submission) -> bool:
        return age_ms(submission) > self._parts.deadline_ms
