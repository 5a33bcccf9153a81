"""The command `selftest`: every network, the whole way with the guard, disk, keys, isolation.

Its picture is drawn, so that no visitor is in it, and nothing of it leaves: the answer is
words and milliseconds.  Each check runs between two frames of its own, so that a stream goes
on while the device looks at itself.
"""

from __future__ import annotations

import logging
import os
import secrets
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edged.config import Config
from edged.daemon.assemble import Kit
from edged.daemon.command_reply import OrderError
from edged.daemon.errands import Errands
from edged.daemon.pictures import builtin_character
from edged.daemon.warming import trials
from edged.pipeline.parts import Job
from edged.privacy import isolation
from edged.privacy.guard import Refused
from edged.privacy.isolation import Isolation
from edged.scene import Scene
from edged.transport.clock import clock_synced
from edged.transport.outbox import Outbox
from edged.transport.outbox_store import KEYS
from edged.transport.vault import MAGIC

log = logging.getLogger(__name__)

_PROBE_BYTES = 64 * 1024
_MAY_CHANGE = frozenset({"inherited_sockets"})
"""Of the isolation's proof: cameras on the network come and go."""


class CheckError(Exception):
    """Raised by a check that fails, with a fixed word or a few."""


@dataclass(frozen=True, repr=False)
class SelfTest:
    """Looks at everything once.

    Attributes:
        config: in force.
        kit: loaded.
        errands: to the thread of the sessions.
        outbox: open.
        isolation: as it was found at the start.
    """

    config: Callable[[], Config]
    kit: Kit
    errands: Errands
    outbox: Outbox
    isolation: Isolation

    def __call__(self, data: Mapping[str, Any]) -> dict[str, Any]:
        """Do the command.

        Raises:
            OrderError: a check failed (`selftest-failed`, with all of them), or there is data.
        """
        if data:
            raise OrderError("bad-data", "selftest takes no data")
        checks = [_timed(name, body) for name, body in self._checks()]
        failed = [str(check["name"]) for check in checks if not check["ok"]]
        found = {"ok": not failed, "checks": checks}
        if failed:
            text = f"{len(failed)} of {len(checks)} checks failed: {', '.join(failed)}"
            raise OrderError("selftest-failed", text, found)
        return found

    def _checks(self) -> list[tuple[str, Callable[[], str]]]:
        config, errands = self.config(), self.errands
        picture, _ = builtin_character("character")
        checks: list[tuple[str, Callable[[], str]]] = [
            (trial.name, lambda run=trial.run: _silent(errands.do(lambda: run(1))))  # type: ignore[misc]
            for trial in trials(self.kit.stages, config, picture)
        ]
        return [
            *checks,
            ("picture", lambda: errands.do(lambda: self._picture(picture))),
            ("outbox", self._disk),
            ("keys", self._keys),
            ("isolation", self._isolated),
            ("clock", self._clock),
        ]

    def _picture(self, picture: Any) -> str:
        """The whole way of a shot, guard included; on the sessions' thread."""
        config = self.config()
        scene = Scene(
            mode="disguise", identities=tuple(config.identities), share_identities=True,
            allow_empty=True,
        )  # fmt: skip
        job = Job(
            "selftest", "selftest", scene, whole=True, now_ms=time.monotonic_ns() // 1_000_000
        )
        outcome = self.kit.pipeline.process(picture, job)
        try:
            if isinstance(outcome.ruling, Refused):
                raise CheckError(outcome.ruling.reason.value)
            note = outcome.guard
            return "" if note is None else f"{note.swapped} swapped, {note.filled} filled"
        finally:
            if outcome.buffer is not None:
                outcome.buffer.release()

    def _disk(self) -> str:
        """The outbox's folder takes a file and gives it back, and its database answers."""
        self.outbox.stats()
        path = self.config().outbox.folder / f".selftest-{secrets.token_hex(4)}"
        body = secrets.token_bytes(_PROBE_BYTES)
        fd = os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR | os.O_NOFOLLOW, 0o600)
        try:
            with os.fdopen(fd, "wb") as file:
                file.write(body)
                file.flush()
                os.fsync(file.fileno())
            if path.read_bytes() != body:
                raise CheckError("read-back-differs")
        finally:
            path.unlink()
        return ""

    def _keys(self) -> str:
        return _key_file(self.config().outbox.folder / KEYS)

    def _isolated(self) -> str:
        """As it was at the start, when it was held against the configuration."""
        now = isolation.check()
        changed = sorted(
            name
            for name, value in self.isolation.proof.items()
            if name not in _MAY_CHANGE and now.proof.get(name) != value
        )
        if changed:
            raise CheckError("changed since the start: " + ", ".join(changed))
        return self.isolation.mode

    def _clock(self) -> str:
        if clock_synced():
            return ""
        if self.config().broker.clock == "trust":
            return "not synchronised, and trusted"
        raise CheckError("not-synchronised")


def _key_file(path: Path) -> str:
    """It is there, whole and nobody else's."""
    with path.open("rb") as file:
        if file.read(len(MAGIC)) != MAGIC:
            raise CheckError("no-key-file")
        if os.fstat(file.fileno()).st_mode & 0o077:
            raise CheckError("others-may-read-it")
    return ""


def _silent(_result: object) -> str:
    """Nothing of what a network gives is told."""
    return ""


def _timed(name: str, body: Callable[[], str]) -> dict[str, Any]:
    """Run a check; only fixed words and kinds of errors are told, whatever a library says."""
    begun = time.perf_counter_ns()
    ok, note = False, ""
    try:
        note = body()
        ok = True
    except CheckError as error:
        note = str(error)
    except OrderError as error:
        note = error.word
    except OSError as error:
        note = error.strerror or type(error).__name__
    except Exception as error:  # noqa: BLE001 - the boundary: its text could hold values
        note = type(error).__name__
    took_ms = round((time.perf_counter_ns() - begun) / 1e6, 1)
    if not ok:
        log.error("selftest: %s failed (%s)", name, note)
    return {"name": name, "ok": ok, "ms": took_ms, "note": note}
