"""What the flow of frames is made of: parts, items under way, shots sent twice, results.

Knows no threads of its own; :mod:`edged.daemon.flow` has them.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from edged.daemon.owner import Owner
from edged.daemon.pulse import Pulse
from edged.errors import FrameError
from edged.faces import Image
from edged.health import Health
from edged.pipeline.parts import Outcome
from edged.pipeline.pipeline import Pipeline
from edged.privacy.egress import UNSIGNED
from edged.privacy.provenance import Marker
from edged.scene import Scene
from edged.transport.clock import clock_synced, wall_ms
from edged.transport.limits import FrameLimits
from edged.transport.mailbox import Mailbox, Submission, Ticket
from edged.transport.outbox import Outbox
from edged.transport.outbox_rows import PayloadMac
from edged.transport.view import ViewPublisher
from edged.transport.wire import OutgoingPicture, ResultDoc, VerdictDoc
from edged.verdicts import Reason


class Answers(Protocol):
    """Where answers go (the frame server)."""

    def answer(
        self, ticket: Ticket, doc: VerdictDoc, picture: OutgoingPicture | None = None
    ) -> bool:
        """Send one answer, from any thread; False when it was answered before."""
        ...


@dataclass(repr=False)
class Item:
    """One frame under way.

    Attributes:
        submission: as admitted.
        publish: it is to go to the outbox (a shot, or a stream frame whose turn it is).
        mac: keyed digest of a shot's payload.
        image: decoded; its memory may be the payload's.
        outcome: of the pipeline.
    """

    submission: Submission
    publish: bool
    mac: PayloadMac | None = None
    image: Image | None = None
    outcome: Outcome | None = None


@dataclass(repr=False)
class Repeats:
    """Shots under way, and who else waits for each."""

    _lock: threading.Lock = field(default_factory=threading.Lock)
    _waiting: dict[str, tuple[bytes, list[Ticket]]] = field(default_factory=dict)

    def join(self, shot: str, mac: PayloadMac, ticket: Ticket) -> bool:
        """Begin a shot (True), or wait for the one that is under way (False).

        Raises:
            FrameError: it is under way with another payload.
        """
        with self._lock:
            found = self._waiting.get(shot)
            if found is None:
                self._waiting[shot] = (mac.value, [ticket])
                return True
            if found[0] != mac.value:
                raise FrameError(Reason.ID_REUSED, "shot id under way with another payload")
            found[1].append(ticket)
            return False

    def end(self, shot: str, ticket: Ticket) -> list[Ticket]:
        """End a shot; everybody else who waits for its answer.

        Only the ticket that began a shot ends it: an error that meets another message
        of the same id is that message's own.
        """
        with self._lock:
            found = self._waiting.get(shot)
            if found is None or found[1][0] is not ticket:
                return []
            del self._waiting[shot]
            return found[1][1:]


@dataclass(repr=False)
class FlowParts:
    """What the flow works with; see the classes."""

    mailbox: Mailbox
    answers: Answers
    pipeline: Pipeline
    outbox: Outbox
    view: ViewPublisher
    health: Health
    scenes: Mapping[str, Scene]
    limits: FrameLimits
    deadline_ms: int
    engines: Callable[[], Mapping[str, str]]
    builtin: bool
    barred: bool
    """The built-in pack runs and the broker is remote: nothing goes to the outbox."""
    on_row: Callable[[], None]
    on_event: Callable[[str, str, dict[str, int]], None]
    pulse: Pulse
    """Told of frames that are through, and given time between them."""
    between_frames: Callable[[], None] = lambda: None
    """Called on the thread of the sessions when no frame is in them."""
    owner: Owner | None = None
    """The thread of the sessions; None: a thread of the flow's own."""
    marker: Marker = UNSIGNED
    """Signs outgoing pictures, where that is configured."""


def age_ms(submission: Submission) -> float:
    """Time since the frame was read from its socket."""
    return (time.monotonic_ns() - submission.received_ns) / 1e6


def result_of(
    parts: FlowParts, item: Item, outcome: Outcome, picture: OutgoingPicture, result_id: str
) -> ResultDoc:
    """What the broker is told of a picture; the outbox adds its number.

    Raises:
        FrameError: the guard left no note.
    """
    header = item.submission.header
    if outcome.guard is None:
        raise FrameError(Reason.GUARD_ERROR, "a passed picture without a guard note")
    return ResultDoc(
        ts_ms=wall_ms(),
        clock_synced=clock_synced(),
        id=result_id,
        camera=header.camera,
        scene=header.scene,
        mode=parts.scenes[header.scene].mode,
        faces=outcome.faces,
        guard=outcome.guard,
        latency_ms={
            **{k: round(v, 2) for k, v in outcome.stages_ms.items()},
            "total": round(age_ms(item.submission), 2),
        },
        engines=dict(parts.engines()),
        builtin=parts.builtin,
        image=picture.note,
        bystanders=outcome.bystanders,
        consents=tuple(entry.ref for entry in header.consent),
    )


def numbers(outcome: Outcome) -> dict[str, int]:
    """Bounded counts for the answer; `not_live` where a scene asks and a face is not.

    A shot that a consent rule refused has the usable `faces` alone.
    """
    if outcome.guard is None:
        return {"faces": outcome.usable} if outcome.usable else {}
    found = {
        "faces": outcome.guard.faces_in,
        "swapped": outcome.guard.swapped,
        "filled": outcome.guard.filled,
        "bystanders": outcome.bystanders,
    }
    not_live = sum(note.live is False for note in outcome.faces)
    return found | {"not_live": not_live} if not_live else found
