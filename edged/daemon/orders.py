"""What the engine does when it is told to: commands of the broker and of the box.

Nothing here can make the engine emit a frame: a command's answer holds numbers and
configured names.  Transport has checked who may send what; data is checked here.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any

import msgspec

from edged.daemon.command_reply import OrderError, plain
from edged.errors import EdgedError
from edged.health import Health
from edged.transport.clock import clock_synced, wall_ms
from edged.transport.control import ControlIn
from edged.transport.frames import FrameServer
from edged.transport.ipc import CommandIn
from edged.transport.outbox import Outbox
from edged.transport.outbox_rows import PurgeSelector
from edged.transport.receipts import Notary
from edged.transport.wire import ReplyDoc
from edged.verdicts import Reason

QUIET = frozenset({"calibrate", "diagnostics", "outbox", "ping", "status"})
"""Commands that are no event when the box itself asks: they read, again and again."""

_IN_RECEIPT = frozenset({"removed", "removed_more"})
"""Long, and not repeated beside the receipt that holds it."""
_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")
Work = Callable[[Mapping[str, Any]], dict[str, Any]]
"""Does a command: its data in, the reply's data out."""
LATER = "this version of edged does not know this command"


@dataclass(repr=False)
class Orders:
    """Does commands.

    Attributes:
        outbox, frames, health: what commands act on.
        cameras: gives the configured names.
        wake: told when there are rows to hand out again.
        state_changed: told when the state may have changed.
        event: takes an event for the record: who gave which command, and how it ended.
        notary: signs the receipts of purges.
        overview: the figures of `diagnostics` and `status`; no pictures.
        more: further commands by name, such as `reload`; the box alone can ask for
            `calibrate`.
    """

    outbox: Outbox
    frames: FrameServer
    health: Health
    cameras: Callable[[], Collection[str]]
    wake: Callable[[], None]
    state_changed: Callable[[], None]
    event: Callable[[str, str, dict[str, Any]], None]
    overview: Callable[[], dict[str, Any]]
    notary: Notary
    more: Mapping[str, Work]

    def __call__(self, command: CommandIn | ControlIn) -> ReplyDoc:
        """Do one command."""
        work = self._known().get(command.name)
        reply = ReplyDoc(id=command.id, ts_ms=wall_ms(), clock_synced=clock_synced(), status="ok")
        try:
            if work is None:
                raise OrderError("unknown-command", LATER)  # noqa: TRY301 - one place makes the reply
            reply.data = plain(work(command.data))
        except OrderError as error:
            _fail(reply, error.word, str(error), error.data)
        except (ValueError, EdgedError) as error:
            _fail(reply, "bad-data" if isinstance(error, ValueError) else "failed", str(error))
        except Exception:
            self._record(command, "internal")
            raise
        self._record(command, reply.error or "ok")
        return reply

    def _record(self, command: CommandIn | ControlIn, outcome: str) -> None:
        """The audit: every command of the broker, and what the box changes."""
        who = "broker" if isinstance(command, CommandIn) else "box"
        if who == "box" and command.name in QUIET:
            return
        name = "command-done" if outcome == "ok" else "command-failed"
        its_id = command.id if _ID.fullmatch(command.id) else ""
        data = {"who": who, "name": command.name, "id": its_id, "outcome": outcome}
        self.event(name, command.name, data)

    def _known(self) -> dict[str, Work]:
        """What is done for each command."""
        return {
            "ping": self._ping,
            "status": self._status,
            "diagnostics": self._diagnostics,
            "outbox": self._outbox,
            "replay": self._replay,
            "purge": self._purge,
            "pause": self._pause,
            "resume": self._resume,
            **self.more,
        }

    def _ping(self, _data: Mapping[str, Any]) -> dict[str, Any]:
        state, reason, since_ms = self.health.state(wall_ms())
        return {"state": state, "reason": reason, "since_ms": since_ms}

    def _status(self, _data: Mapping[str, Any]) -> dict[str, Any]:
        return self.overview()

    def _diagnostics(self, _data: Mapping[str, Any]) -> dict[str, Any]:
        return self.overview()

    def _outbox(self, _data: Mapping[str, Any]) -> dict[str, Any]:
        return dict(msgspec.to_builtins(self.outbox.stats()))

    def _replay(self, data: Mapping[str, Any]) -> dict[str, Any]:
        camera, first, last = data.get("camera"), data.get("from"), data.get("to")
        session = data.get("session")
        known = isinstance(camera, str) and camera in self.cameras()
        if not known or type(first) is not int or type(last) is not int:
            raise ValueError('replay takes {"camera": NAME, "from": N, "to": N, "session"?: ID}')
        if session is not None and (not isinstance(session, str) or len(session) > 64):
            raise ValueError("session is the UUID that results carry")
        found = self.outbox.replay(str(camera), first, last, session)
        self.wake()
        return dict(found)

    def _purge(self, data: Mapping[str, Any]) -> dict[str, Any]:
        selector = PurgeSelector.from_data(data)
        found = self.outbox.purge(selector)
        self.wake()
        signed = self.notary.sign(selector, found, self.outbox.session, clock_synced=clock_synced())
        counts = {k: v for k, v in msgspec.to_builtins(found).items() if k not in _IN_RECEIPT}
        return {**counts, "receipt": signed}

    def _pause(self, _data: Mapping[str, Any]) -> dict[str, Any]:
        self.frames.pause(Reason.PAUSED)
        self.health.pause(paused=True)
        self.state_changed()
        return {}

    def _resume(self, _data: Mapping[str, Any]) -> dict[str, Any]:
        self.frames.resume()
        self.health.pause(paused=False)
        self.state_changed()
        return {}


def _fail(reply: ReplyDoc, word: str, text: str, data: Mapping[str, Any] | None = None) -> None:
    reply.status, reply.error, reply.text = "error", word, text
    reply.data = plain(data or {})
